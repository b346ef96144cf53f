"""What stands between stars: emphasis is read out, narration is not."""

from __future__ import annotations

import pytest

from aichat.stages.answering.clauses import Clauses
from aichat.stages.answering.speakable import speakable

EMPHASIS = [
    *("I *really* mean it.", "She said *what*?", "Have you seen *Blade Runner*?"),
    *("*Inception* is better than *Tenet*.", "It was *the* best day.", "I *love* you."),
    *("He *loves* it!", "You *always* say that.", "*Never!* I won't.", "*Really?* That is odd."),
    *("*Wow!* Great.", "*Note:* shops close at five.", "We *will* win, *surely*."),
    *("*The Lord of the Rings* took years.", "My favourite is *Pride and Prejudice*."),
    *(
        "*The Great Gatsby.*",
        "*Absolutely not.* I refuse.",
        "Say *please*.",
        "Do *not* touch *that*!",
    ),
    *("This is *so* good, *so so* good.", "*Yes.* I do.", "That's *exactly* what I *meant*, Ann."),
    *("The word *gift* means poison in German.", "Latin *carpe diem* means seize the day."),
    *("*You* did this.", "She *runs* every day and *smiles* rarely.", "I read *Dune* twice."),
    *("_Moby Dick_ is long.", "It is _very_ cold.", "Why is it *going* there?"),
    *("The *New York Times* said so.", "*Paris*, of course.", "It was *nothing*."),
    *("He *never* sighs.", "In *Hamlet*, the prince waits.", "That is *his* coat, *not* hers."),
    *(
        "*Star Wars* came first, *Star Trek* didn't.",
        "I *did* look!",
        "**Bold** and *italic* words.",
    ),
    *("I told you before, *never ever*, OK?", "***Stop it!*** I mean that.", "我喜欢*茶*。"),
    *("I meant *never ever*, not *once*.", "*Casablanca* (1942) is a film.", "Is it *yours*?"),
    *("*Sit down!* That is an order.", "*Look at me.* I mean it.", "The *Mona Lisa* hangs there."),
    *("I love your *smile*", "It was, *how shall I say*, odd.", "*Spoiler alert:* he dies."),
    *("She *smiles* when she is sad.", "He wrote *War and Peace*.", "It *is* what it *is*."),
]
NARRATION = [
    ("*She smiles.* Hello.", "Hello."),
    ("*smiles* Hello.", "Hello."),
    ("Hello. *waves*", "Hello."),
    ("Well *sighs* that is so.", "Well that is so."),
    ("*leans in closer* Tell me more.", "Tell me more."),
    ("*Olivia laughs softly.* You are funny.", "You are funny."),
    ("*The door creaks open.* Who is there?", "Who is there?"),
    ("*clears throat* Ladies and gentlemen.", "Ladies and gentlemen."),
    ("*A long silence.* I see.", "I see."),
    ("Hm... *pauses* maybe.", "Hm... maybe."),
    ('"Hi," *she whispers.* "Come in."', '"Hi," "Come in."'),
    ("*nods slowly, looking at the floor* Yes.", "Yes."),
    ("*He takes a sip of tea.* Good.", "Good."),
    ("_She sits down._ Now then.", "Now then."),
    ("*giggles* You *are* silly!", "You are silly!"),
    ("*rolls her eyes* Fine.", "Fine."),
    ("Hello there! *winks* How are you?", "Hello there! How are you?"),
    ("*I lean back in my chair.* So.", "So."),
    ("*shakes head* no way", "no way"),
    ("*He pauses, thinking. Then he nods.* All right.", "All right."),
    ("*Smiles* Hi there.", "Hi there."),
    ("*thunder* Oh no!", "Oh no!"),
    ("Oh, *blushes* thank you.", "Oh, thank you."),
    ("*walks over to the window* It's raining.", "It's raining."),
    ("I see *chuckles softly* and then?", "I see and then?"),
    ("*lächelt* Ja, gern.", "Ja, gern."),
    ("*微笑* 你好", "你好"),
    ('*She turns and says "come".* Well?', "Well?"),
    ("*The wind howls. Nobody speaks.*\n\nSo, what now?", "So, what now?"),
    ("Thanks! *hugs you tightly*", "Thanks!"),
    ("*softly smiles* Hey.", "Hey."),
    ("*cough* excuse me *cough*", "excuse me"),
    ("*Sigh.* Again?", "Again?"),
    ("*She gasps!* No!", "No!"),
    ("Wait *looks around nervously* did you hear that?", "Wait did you hear that?"),
    ("*blinks* *blinks again* What?", "What?"),
    ("Mhm *nods*", "Mhm"),
    ("*ring ring* Hello?", "Hello?"),
    ("Well, *looks away* I don't know.", "Well, I don't know."),
    ("*fidgets with her sleeve* Sorry.", "Sorry."),
    ("*Her eyes light up.* Really?", "Really?"),
    ("*Walking to the door, she stops.* Wait.", "Wait."),
    ("Hi! *tilts head* What is it?", "Hi! What is it?"),
    ("*She smiles.\n\nShe sits down.* Hello.", "Hello."),
    ("*She **really** smiled, then left.* Hello.", "Hello."),
    ("*She *really* smiled, then left.* Hello.", "Hello."),
    (f"*{'She walks on and on, and nobody says a word. ' * 40}She stops.* Here.", "Here."),
    ("*Opens `notes.txt` and [a page](https://x.org/a_b).* See?", "See?"),
    ("*She smiles. Hello!\n*He nods.* Good.", "She smiles. Hello! Good."),
]


def read_out(text: str) -> str:
    clauses = Clauses()
    made = [clause for letter in text for clause in clauses.feed(letter)]
    return " ".join(filter(None, map(speakable, made + clauses.flush())))


@pytest.mark.parametrize("text", EMPHASIS)
def test_emphasis_is_read_out(text: str) -> None:
    assert read_out(text).split() == text.replace("*", "").replace("_", "").split()


@pytest.mark.parametrize(("text", "read"), NARRATION)
def test_narration_is_not(text: str, read: str) -> None:
    assert read_out(text) == read
