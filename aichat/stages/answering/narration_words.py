"""Word lists for telling narration from emphasis, and stops that end no sentence from others."""

from __future__ import annotations


def word_set(words: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(words.split())


EXPRESSIONS = (
    "smile sigh laugh giggle chuckle nod shrug wink wave grin blush cough gasp yawn whisper snort "
    "smirk frown pout groan moan hum sob cry sniff sniffle shiver tremble gulp blink beam cackle "
    "snicker scoff huff purr growl bow curtsy clap cheer hug kiss facepalm shudder grumble mumble "
    "mutter murmur stammer stutter exhale inhale wince cringe glare hiccup burp sneeze swoon "
    "twirl weep wail whimper squeal shriek gesture glance fidget flinch kneel crouch nudge "
    "snuggle cuddle hesitate pause"
)
"""What a face or a voice does: said of oneself in mid-sentence, it is an action."""

ACTIONS = (
    "look turn walk run sit stand take make point move step reach pull push grab hold open close "
    "enter leave approach come go get put pick lift drop throw toss hand give offer pour sip "
    "drink eat chew swallow think remember listen watch notice adjust straighten fold cross "
    "uncross touch place set rest begin start continue stop speak say ask reply answer shout yell "
    "scream call sing play read write type draw light blow breathe swing jump climb fall rise "
    "lower bend follow lead wait shift settle relax tense appear vanish fade lean tilt raise roll "
    "clear scratch shake bite lick rub gaze peer stare squint stretch slump pat poke tap ruffle "
    "stroke caress embrace bounce hop skip spin dance strut stomp stumble trip collapse faint "
    "wake ponder salute applaud smooth scan study examine return hurry rush creak ring slam knock "
    "extend brush press squeeze wrap wipe"
)
"""What a body does."""

NOTES = word_set(
    "silence pause beat laughter applause sigh music thunder knock footsteps crickets drumroll "
    "sounds sound noise static drop"
)
"""What is to be heard between the lines."""

SAID = word_set(
    "yes no never really wow oh ah always absolutely exactly please stop wait now what why how "
    "hello hi hey thanks okay ok sure maybe perhaps good great sorry damn hell god right indeed "
    "truly nothing everything anything something this that these those you me him us them not of "
    "very so just only all both every most more much too also is was are were will would can "
    "could must should does did do don't my your mine yours ever certainly definitely precisely "
    "obviously literally seriously finally well yay hooray bravo congratulations welcome goodbye "
    "bye ha ja nein oui non sí nie immer toujours jamais nunca siempre"
)
"""A word of this kind is said, also by itself."""

SUBJECTS = word_set("he she it they the a an his her their its my i")

PRONOUNS = word_set("he she it they who that which one i you we to will can never always")
"""Behind one of these a verb is a part of the sentence."""

FILLERS = word_set(
    "well so and but um uh oh hm hmm then wait hey okay ok yes no yeah sorry please mhm ah"
)
DETERMINERS = word_set("a an the my your his her its our their this that no some with and or of")

IRREGULAR = word_set("cries wept ran sat stood took made held left came went")


def forms(verbs: str) -> frozenset[str]:
    """Return the verbs, and what they are in "she smiles", "smiling" and "smiled"."""
    known = set(IRREGULAR)
    for verb in verbs.split():
        stem = verb.removesuffix("e")
        doubled = f"{verb}{verb[-1]}"
        third = f"{verb}es" if verb.endswith(("s", "sh", "ch", "x", "z", "o")) else f"{verb}s"
        known |= {verb, third, f"{verb[:-1]}ies", f"{stem}ing", f"{stem}ed"}
        known |= {f"{doubled}ing", f"{doubled}ed"}
    return frozenset(known)


EXPRESSED = forms(EXPRESSIONS)
DONE = EXPRESSED | forms(ACTIONS)
COMMANDS = word_set(ACTIONS) - EXPRESSED
"""*Sit down.* is said to somebody."""
