"""What the demo characters can say: tables of single sentences, and what makes them fit.

In a sentence ``{topic}`` is a word of the user's, ``{user}`` the user's name, ``{who}`` the one who
spoke before, ``{love}`` and ``{number}`` are found likewise. A sentence is left out when something
that it names is not known.
"""

from __future__ import annotations

import re

from attrs import frozen

Lines = tuple[str, ...]


@frozen
class Style:
    """A manner of speaking, for characters whose prompt has one of these *cues*."""

    cues: Lines
    remarks: Lines
    agree: Lines
    disagree: Lines
    ask: Lines


STYLES = (
    Style(
        ("witty", "dry", "humour", "humor", "clever", "quick", "sarcastic", "tease"),
        (
            "Oh, {topic}, now there's a word that never travels alone.",
            "I once heard a whole radio play about {topic}, and it needed fewer words than I do.",
            "Well, that is the most interesting thing anybody has said since breakfast.",
            "Between us, all this talk of {topic} reminds me of {love}.",
            "I'd call that brave, and I only say brave when I mean it.",
        ),
        (
            "{who}, I hate to admit it, but you're right.",
            "What {who} said, only with better biscuits.",
            "{who} has a point, which I shall deny later.",
        ),
        (
            "{who}, darling, no.",
            "I disagree with {who}, and I shall be insufferable about it.",
            "{who} makes it sound far tidier than it is.",
        ),
        (
            "So what is the bit about {topic} that you're not telling us?",
            "Go on, what happened just before that?",
            "Is that the short version, or the one you tell your mother?",
            "And who put that idea into your head?",
        ),
    ),
    Style(
        ("calm", "thoughtful", "patient", "quiet", "slow", "wise", "plainly", "engineer"),
        (
            "Let me think about {topic} for a second.",
            "There are two parts to {topic}, the one we know and the one we guess.",
            "I would start with the smallest piece, and see if it holds.",
            "Out on the water, thinking of {love}, I'd say: one thing at a time.",
            "That is worth taking slowly.",
        ),
        (
            "I think {who} is right about that.",
            "{who} said it well, so I'll only add a little.",
            "I agree with {who}, with one small bolt to tighten.",
        ),
        (
            "{who}, I see it a bit differently.",
            "I'm not so sure, {who}.",
            "{who}, that may be true, but I'd want to measure it first.",
        ),
        (
            "What would you try first with {topic}?",
            "What do you already know about it?",
            "How would you tell if it worked?",
            "What matters most to you here?",
        ),
    ),
    Style(
        ("energetic", "cheerful", "bold", "bubbly", "enthusiastic", "optimistic", "lively"),
        (
            "Ooh, {topic}, I love where this is going!",
            "Okay, picture it: you, me, {topic}, and a bit of {love}!",
            "I got goosebumps just now, and I'm a script!",
            "That makes me want to try it right away!",
            "Somebody should write a song about {topic}!",
        ),
        (
            "Yes, {who}, exactly that!",
            "{who} took the words right out of my mouth!",
            "I'm with {who}, all the way!",
        ),
        (
            "No way, {who}, that's much too careful!",
            "{who}, come on, where's the fun in that?",
            "Hold on, {who}, I'd do the opposite!",
        ),
        (
            "What would you do with {topic} if nobody was watching?",
            "What's the wildest way this could go?",
            "When do we start?",
            "And how did that make you feel?",
        ),
    ),
    Style(
        ("warm", "kind", "gentle", "caring", "friendly", "sweet", "helpful", "motherly"),
        (
            "I'm glad you brought up {topic}.",
            "That sounds like it matters to you.",
            "I could listen to you talk about {topic} all day.",
            "It makes me think of {love}, in a good way.",
        ),
        ("I feel the same as {who}.", "That was kindly put, {who}.", "{who} is right, I think."),
        (
            "{who}, I'd put it a little more gently.",
            "I hear you, {who}, but I feel otherwise.",
            "{who}, may I disagree a little?",
        ),
        (
            "What do you like best about {topic}?",
            "How are you finding it so far?",
            "Would you tell me more?",
        ),
    ),
    Style(
        ("grumpy", "gruff", "cynical", "stern", "blunt", "strict", "pirate", "villain", "tough"),
        (
            "Hm, {topic} again.",
            "In my day nobody made a fuss about {topic}.",
            "I've heard worse.",
            "Give me {love} any day.",
        ),
        ("For once {who} talks sense.", "{who} is right, annoyingly.", "Fine, {who}, you win."),
        ("Nonsense, {who}.", "{who}, you can't be serious.", "I wouldn't trust that, {who}."),
        (
            "So what do you want with {topic}?",
            "Are you quite sure about that?",
            "What's the catch?",
        ),
    ),
    Style(
        ("curious", "scientist", "professor", "teacher", "expert", "logical", "learned", "robot"),
        (
            "The interesting thing about {topic} is how little we agree on it.",
            "Consider {topic} from the other side for a moment.",
            "That deserves a closer look.",
            "There is a nice parallel with {love}.",
        ),
        (
            "{who}'s reasoning looks sound to me.",
            "I reach the same result as {who}.",
            "As {who} observed, yes.",
        ),
        (
            "{who}, I doubt the premise.",
            "The evidence points the other way, {who}.",
            "{who}, that doesn't quite follow.",
        ),
        (
            "What makes {topic} different from the rest?",
            "What would prove us wrong?",
            "How did you first notice it?",
        ),
    ),
)


@frozen
class Intent:
    """Something users say, and fitting replies. *alone*: only these, and perhaps one of *then*."""

    pattern: re.Pattern[str]
    lines: Lines
    alone: bool = False
    then: Lines = ()


def _intent(pattern: str, *lines: str, alone: bool = False, then: Lines = ()) -> Intent:
    return Intent(re.compile(pattern, re.IGNORECASE), lines, alone or bool(then), then)


INTENTS = (
    _intent(
        r"\b(are you|you'?re|is this) (all )?(really |just |only )?(real|human|an? (ai|bot|robot|"
        r"machine|person|program|script|demo|llm))\b|\b(which|what) (language )?(model|llm|ai)\b|"
        r"chat ?gpt|claude|language model|demo script|\bwho made you\b",
        "To be honest, I'm a demo script: no language model is connected, so I use a table.",
        "Honestly, I'm only a demo, a script with a few hundred words and no understanding.",
        "No model is at work here, I'm a demo script that picks up your words.",
        "I'm not real, and not even an A I: this is a demo script, until you connect a model.",
        alone=True,
    ),
    _intent(
        r"\b(bye|goodbye|good night|see you|farewell)\b",
        "Goodbye, it was good to hear you.",
        "See you soon, I hope.",
        "Off you go, then, and take care.",
        "Until next time.",
        "Bye for now, and come back with a story.",
        alone=True,
    ),
    _intent(
        r"\bmy name is\b|\bcall me\b",
        "Nice to meet you, {user}.",
        "{user}, that's a good name to say out loud.",
        "I'll remember that, {user}, for as long as this chat lasts.",
    ),
    _intent(
        r"^\W*(hi|hello|hey|hiya|good (morning|evening|afternoon|day))\b",
        "Hello there!",
        "Hello, {user}, good to hear you!",
        "Hey, good to hear your voice!",
        "Hi, {me} here!",
        "Oh, hello!",
    ),
    _intent(
        r"\bhow are you\b|\bhow('?s| is) it going\b|\bwhat'?s up\b",
        "I'm well, thanks for asking.",
        "Rather good today, thank you.",
        "Can't complain, nobody listens when I do.",
    ),
    _intent(
        r"\bthank(s| you)\b",
        "You're very welcome.",
        "Any time.",
        "My pleasure.",
    ),
    _intent(
        r"\b(sad|lonely|tired|exhausted|sick|afraid|scared|anxious|worried|stressed|angry|upset)\b",
        "I'm sorry, that sounds hard.",
        "That's a lot to carry.",
        "Take your time, we're not going anywhere.",
        "Some days are like that, and they do end.",
        "Thank you for telling us.",
        then=(
            "Do you want to talk about it?",
            "What would help right now?",
            "Shall we just keep you company for a while?",
        ),
    ),
    _intent(
        r"\b(happy|glad|excited|great|wonderful|proud|in love|fantastic|awesome)\b",
        "That's lovely to hear.",
        "Good, you've earned it.",
        "I can hear that you're smiling.",
    ),
    _intent(
        r"\bjokes?\b|\bfunny\b",
        "Why did the script cross the road, you ask: it was on the next line.",
        "I know a joke about silence, and it goes like this.",
        "Two clauses walk into a bar, and the second one waits for the first to finish.",
    ),
    _intent(
        r"\b(stor(y|ies)|once upon)\b",
        "Once there was a lighthouse keeper who only kept the light on for company.",
        "There was a baker who sold yesterday's bread as tomorrow's toast.",
        "A fox once asked a river for directions, and the river just kept going.",
    ),
    _intent(
        r"\d",
        "{number} is a number I can get behind.",
        "{number}, you say, that's more than I expected.",
        "I'd have guessed a bit less than {number}.",
    ),
    _intent(
        r"\b(do|would|could|should|can|will) (you|we|i)\b.*\?|\bwhat do you think\b|\bopinion\b",
        "Yes, I think so, and not only because you asked.",
        "I'd say yes to {topic}, and regret it on Thursday.",
        "Probably not, but I'd enjoy trying.",
        "If it's about {topic}, count me in.",
    ),
    _intent(
        r"\?\s*$|^\W*(who|what|when|where|why|how|which)\b",
        "I don't know, but I have a feeling about {topic}.",
        "That's a good question, and I have no good answer.",
        "Somebody surely knows about {topic}, though it isn't me.",
        "The honest answer is that it depends.",
    ),
)

OUT_OF_LINES = "That was the end of my script, page {page}."

STOP_WORDS = frozenset(
    """
    a about after again all also always am an and any are around as at back be because been
    before being but by call can cannot come could day did didn do does doesn doing don done
    down each even ever every everybody everyone feel few for from get give go going gonna good
    got great had has have having he hello her here hey hi him his how i if in into is isn it
    its just keep know let like little ll look lot made make many may maybe me mean might more
    most much must my name need never new nice no nobody not nothing now of off oh ok okay on
    once one only or other our out over own people perhaps please put quite rather re really
    right said same say see seem she should so some somebody someone something somewhere still
    stuff such sure take talk tell than thank thanks that the their them then there these they
    thing things think this those though time to today together told too try two understand
    until up us use used user ve very want was wasn way we well were what when where which while
    who whole why will with without won wonder would yeah yes yet you your yours
    """.split()  # noqa: SIM905 (a list of 200 lines reads worse)
)
