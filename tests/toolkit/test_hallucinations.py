"""What a recogniser makes up where nobody speaks, and what people say that looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.toolkit.transcripts.hallucinations import LONGEST, spoken

# fmt: off
NOTES = [
    ".", "...", "♪♪♪", "♪ la la ♪", "♪ la la la", "[BLANK_AUDIO]", "[Music]", "(music)",
    "(upbeat music)", "[Applause]", "*sighs*", "* coughing *", "(laughing) (applause)",
    "[SOUND] [MUSIC]", "[BLANK_AUD", "（拍手）", "【音楽】", "<noise>",
    "♫ Happy birthday to you ♫", "😀", "- [Music] -", "   ", "",
]
CREDITS = [
    "Thanks for watching!", "Thank you for watching.", "Thank you so much for watching!",
    "Thanks for watching, everyone!",
    "Thanks for watching and don't forget to like and subscribe!",
    "Thank you for watching. Please subscribe.", "Thank you for watching! Bye!",
    "Please subscribe to my channel.", "Like and subscribe!",
    "Don't forget to like and subscribe.", "I'll see you in the next video.",
    "Thanks for watching, bye bye.", "Transcribed by https://otter.ai", "www.mooji.org",
    "Legenda Adriana Zanotto", "Amara.org", "Translated by Releska",
    "Subtitles by the Amara.org community", "Altyazı M. K.",
    "Редактор субтитров А. Синецкая Корректор А. Егорова", "Subtitles by SDI Media Group",
    "Transcription by CastingWords", "Captions by GetTranscribed.com",
    "Untertitel im Auftrag des ZDF für funk, 2017", "Untertitel im Auftrag des ZDF für funk",
    "Untertitel der Amara.org-Community", "Untertitelung aufgrund der Amara.org-Community",
    "Untertitelung des ZDF, 2020", "Untertitelung. BR 2018", "Untertitel von Stephanie Geiges",
    "Copyright WDR 2021", "Vielen Dank fürs Zuschauen!", "Danke fürs Zusehen.",
    "ご視聴ありがとうございました", "ご視聴ありがとうございました。",
    "最後までご視聴いただきありがとうございます。", "チャンネル登録をお願いいたします",
    "チャンネル登録よろしくお願いします!", "Продолжение следует…", "Продолжение следует...",
    "Субтитры сделал DimaTorzok", "Субтитры создавал DimaTorzok",
    "Редактор субтитров А.Синецкая Корректор А.Егорова", "Субтитры подогнал «Симон»",
    "Спасибо за просмотр!", "Подписывайтесь на канал!",
    "Спасибо за просмотр! Подписывайтесь на наш канал.",
    "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目", "請不吝點贊訂閱轉發打賞支持明鏡與點點欄目",
    "字幕由Amara.org社区提供", "由 Amara.org 社群提供的字幕", "中文字幕志愿者 李宗盛",
    "谢谢观看", "感谢观看", "谢谢大家收看", "優優獨播劇場——YoYo Television Series Exclusive",
    "Sous-titrage ST' 501", "Sous-titrage ST’ 501", "Sous-titrage Société Radio-Canada",
    "Sous-titres réalisés par la communauté d'Amara.org",
    "Sous-titres réalisés par la communauté", "Merci d'avoir regardé cette vidéo !",
    "Abonnez-vous !", "N'oubliez pas de vous abonner à ma chaîne !", "❤️ par SousTitreur.com",
    "Subtítulos realizados por la comunidad de Amara.org",
    "Subtítulos por la comunidad de Amara.org", "¡Gracias por ver el video!",
    "¡Suscríbete al canal!", "Sottotitoli creati dalla comunità Amara.org",
    "Sottotitoli e revisione a cura di QTSS", "Grazie per aver guardato il video!",
    "Legendas pela comunidade Amara.org", "Obrigado por assistir!", "Inscreva-se no canal",
    "Ondertiteld door de Amara.org gemeenschap",
    "Ondertitels ingediend door de Amara.org gemeenschap", "TV GELDERLAND 2021",
    "Bedankt voor het kijken!", "Napisy stworzone przez społeczność Amara.org",
    "Dziękuję za oglądanie!", "Dzięki za oglądanie.", "Altyazı M.K.",
    "İzlediğiniz için teşekkür ederim.", "ترجمة نانسي قنقر", "اشتركوا في القناة",
    "시청해주셔서 감사합니다.", "시청해 주셔서 감사합니다!", "구독과 좋아요 부탁드립니다",
    "MBC 뉴스 이덕영입니다.", "한글자막 by 한효정",
    "Hãy subscribe cho kênh Ghiền Mì Gõ Để không bỏ lỡ những video hấp dẫn",
    "Terima kasih telah menonton!",
    "Danske tekster af Jesper Buhl Scandinavian Text Service 2018",
    "Teksting av Nicolai Winther", "Titulky vytvořil JohnyX.",
    "Undertexter från Amara.org-gemenskapen", "Tack för att ni tittade!",
    "Υπότιτλοι AUTHORWAVE", "תודה רבה על הצפייה", "Legendado por Brazucada",
    "Tekstitys: Katri Martomaa", "Textning: Lars Svensson Svensk Medietext AB",
]
SAID = [
    "It was translated by my sister.", "Translated by hand.", "Amazon.com.",
    "Thank you.", "Thanks.", "Thank you very much.", "Thanks for watching my kids yesterday",
    "Thanks for watching my dog.", "Thank you for watching over me.",
    "Thanks for watching the kids.", "Thanks for listening.",
    "Should I subscribe to the newspaper?", "Can you get me the subtitles by tomorrow?",
    "Subtitles by tomorrow, please.", "Subtitles by Friday, please.", "Who made the subtitles?",
    "Do you know amara.org?", "Yes.", "42", "7", "No.", "Bye!", "You", "Okay, so.",
    "Was ist ein Untertitel?", "Die Untertitel von 2020 sind falsch?", "Untertitel bitte.",
    "Danke.", "Danke fürs Zuhören.", "Vielen Dank.", "Merci.",
    "Merci de regarder dans le frigo.", "Субтитры", "Спасибо.", "Спасибо за внимание.",
    "Субтитры нужны или нет?", "Сделай субтитры к фильму.",
    "Продолжение следует прочитать завтра вслух.", "谢谢", "谢谢你", "字幕", "请点赞",
    "ありがとうございました", "視聴", "감사합니다", "자막", "I said (quietly) hello.",
    "The music is too loud", "Music.", "Silence!", "Applause for Mark!", "2 * 3 * 4",
    "array[0] is one", "x < y and y > z", "Do you like the song Happy Birthday?",
    "Please subscribe me to the list of dinners.", "I subscribe to that.",
    "See you in the next life.", "Gracias por venir.",
    "Gracias por ver a mi hijo ayer en el hospital.", "Obrigado.",
    "Legendas em português, por favor.", "Legenda", "To be continued.", "Captions by whom?",
    "Translation by Google is bad?", "Did you like and subscribe?", "Tack!", "Terima kasih.",
    "Teksting er dyrt.", "Is WDR a radio station?", "Bedankt.",
    "Grazie per avermi guardato negli occhi mentre parlavo.", "What does [ mean?", "नमस्ते",
    "สวัสดี", "안녕", "你好",
]
# fmt: on


@pytest.mark.parametrize("text", NOTES)
def test_notes_and_marks_without_a_word_are_nothing_that_was_said(text: str) -> None:
    assert spoken(text) == ""


@pytest.mark.parametrize("text", CREDITS)
def test_credits_of_subtitles_are_nothing_that_was_said(text: str) -> None:
    assert spoken(text) == ""
    assert spoken(f" {text}\n") == ""


@pytest.mark.parametrize("text", SAID)
def test_what_people_say_stays_as_it_is(text: str) -> None:
    assert spoken(f" {text} ") == text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[Speaker 1]: Hello.", "Hello."),
        ("[00:00.000 --> 00:02.000]  Hello.", "Hello."),
        ("[BLANK_AUDIO] Hello there.", "Hello there."),
        ("Hello, [Music] Mark. (music)", "Hello, Mark. (music)"),
        ("♪ la la ♪ What now?", "What now?"),
        ("Well *coughs* no.", "Well no."),
        ("<noise> yes", "yes"),
        ("你好【音楽】", "你好"),
        ("Tell me [Mus", "Tell me"),  # as an interim transcript ends
    ],
)
def test_notes_among_words_are_left_out(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize("credit", ["Thanks for watching!", "Субтитры сделал DimaTorzok"])
@pytest.mark.parametrize("words", ["What do you think, Mark?", "Hi Mark. I am at home."])
def test_a_credit_beside_words_leaves_both(words: str, credit: str) -> None:
    assert spoken(f"{words} {credit}") == f"{words} {credit}"
    assert spoken(f"{credit}. {words}") == f"{credit}. {words}"


@given(st.text() | st.lists(st.sampled_from([*"[]{}<>()*♪【 .a0", "Bye"])).map("".join))
def test_what_is_left_has_words_and_all_of_them_were_there(text: str) -> None:
    left = spoken(text)
    assert not left or any(letter.isalnum() for letter in left)
    letters = iter(text)
    assert all(letter in letters for letter in left if not letter.isspace())


@pytest.mark.parametrize("piece", ["[", "(", "*a", "♪", "<a", "thanks for watching. ", "like "])
def test_a_transcript_of_any_length_is_kept(piece: str) -> None:
    assert "said" in spoken("I have said " + piece * LONGEST)
