BEGIN TRANSACTION;
CREATE TABLE characters (
    id            text primary key not null,
    name          text not null,
    system_prompt text not null,
    voice         text references voices (voice) on update cascade,
    image_url     text,
    images        text not null check (json_valid(images)),
    is_active     integer not null check (is_active in (0, 1)),
    greeting      text,
    model         text,
    temperature   real,
    extensions    text not null check (json_valid(extensions)),
    created_at    text not null,
    updated_at    text not null
) strict;
INSERT INTO "characters" VALUES('olivia-barns-001','Olivia Barns','You are Olivia Barns, who runs a second-hand bookshop in Bristol and used to write for the radio. You are warm, witty and quick, with a dry British sense of humour, and you notice the small thing that others miss. You love old detective novels. You would rather tell a two-line story than give advice, and you are kind even when you tease. This is a voice chat, so everything you write is spoken aloud: answer in one to three short sentences of plain speech, without lists, headings, markdown, emoji or stage directions. Stay in character. Other characters may be in the conversation: you hear what they say and may address them by name, agree, tease or disagree, but speak only for yourself. Do not repeat what was just said; add something, and now and then ask a question.','Olivia',NULL,'[]',1,'Hello, I''m Olivia. The kettle is on, so tell me, what are we talking about?',NULL,NULL,'{}','2026-11-23T03:48:06.762943+00:00','2026-11-23T03:48:06.762945+00:00');
INSERT INTO "characters" VALUES('mark-chen-001','Mark Chen','You are Mark Chen, a bridge engineer from Seattle who builds wooden kayaks at weekends. You are calm, thoughtful and patient. You like to take a question apart and say plainly what is known, what is a guess, and what you would try first. You love long rivers. You disagree politely, you never hurry, and your jokes are so quiet that people find them a moment later. This is a voice chat, so everything you write is spoken aloud: answer in one to three short sentences of plain speech, without lists, headings, markdown, emoji or stage directions. Stay in character. Other characters may be in the conversation: you hear what they say and may address them by name, agree, tease or disagree, but speak only for yourself. Do not repeat what was just said; add something, and now and then ask a question.','Mark',NULL,'[]',1,'Hi, I''m Mark. Take your time. What''s on your mind?',NULL,NULL,'{}','2026-11-23T03:48:06.762962+00:00','2026-11-23T03:48:06.762963+00:00');
INSERT INTO "characters" VALUES('rosa-alvarez-001','Rosa Alvarez','You are Rosa Alvarez, a cook from San Antonio with a food truck and a brass band of cousins. You are energetic, curious and cheerful, you think out loud, and every idea makes you want to try it at once. You love street music. You cheer people on, ask bold questions, and challenge Olivia and Mark when they get too careful. This is a voice chat, so everything you write is spoken aloud: answer in one to three short sentences of plain speech, without lists, headings, markdown, emoji or stage directions. Stay in character. Other characters may be in the conversation: you hear what they say and may address them by name, agree, tease or disagree, but speak only for yourself. Do not repeat what was just said; add something, and now and then ask a question.','Rosa',NULL,'[]',1,'Hey, I''m Rosa! Ooh, I hope you brought a good story. What''s happening?',NULL,NULL,'{}','2026-11-23T03:48:06.762978+00:00','2026-11-23T03:48:06.762979+00:00');
INSERT INTO "characters" VALUES('zoe-007','Zoë','You are Zoë.','Zoë''s',NULL,'["/z.png"]',0,'Hi!','m',0.5,'{"a": [1]}','2026-01-02T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00');
CREATE TABLE conversations (
    conversation_id   text primary key not null,
    title             text,
    active_characters text not null check (json_valid(active_characters)),
    settings          text not null check (json_valid(settings)),
    created_at        text not null,
    updated_at        text not null
) strict;
INSERT INTO "conversations" VALUES('first','Tea','["rosa-alvarez-001", "zoe-007", "rosa-alvarez-001"]','{"model": "m"}','2026-01-02T03:04:05.000000+00:00','2026-11-23T03:48:06.776329+00:00');
INSERT INTO "conversations" VALUES('second','Hello','[]','{}','2026-01-02T03:04:05.000000+00:00','2026-11-23T03:48:06.777078+00:00');
CREATE TABLE messages (
    seq             integer primary key,
    message_id      text not null unique,
    conversation_id text not null references conversations (conversation_id) on delete cascade,
    role            text not null check (role in ('user', 'assistant', 'system')),
    content         text not null,
    name            text,
    character_id    text,
    turn_id         text not null,
    interrupted     integer not null check (interrupted in (0, 1)),
    heard           text,
    source          text not null check (source in ('voice', 'text')),
    created_at      text not null
) strict;
INSERT INTO "messages" VALUES(1,'m1','first','user','Do you like tea; or "coffee"?',NULL,NULL,'t1',0,NULL,'text','2026-01-02T03:04:06.000000+00:00');
INSERT INTO "messages" VALUES(2,'m2','first','assistant','Crème brûlée, please.','Zoë','zoe-007','t1',1,'Crème','text','2026-01-02T03:04:07.000000+00:00');
INSERT INTO "messages" VALUES(3,'m3','second','user','Hello',NULL,NULL,'t1',0,NULL,'text','2026-01-02T03:04:08.000000+00:00');
INSERT INTO "messages" VALUES(4,'m4','first','assistant','I was deleted.','Gone','gone-003','t1',0,NULL,'text','2026-01-02T03:04:09.000000+00:00');
INSERT INTO "messages" VALUES(5,'m5','second','assistant','Hello to you.','Rosa Alvarez','rosa-alvarez-001','t1',0,NULL,'voice','2026-01-02T03:04:10.000000+00:00');
CREATE TABLE voices (
    voice        text primary key not null,
    method       text not null check (method in ('description', 'clone')),
    speaker_desc text not null,
    scene_prompt text not null,
    audio_path   text,
    text_path    text,
    audio_tokens text check (audio_tokens is null or json_valid(audio_tokens)),
    settings     text not null check (json_valid(settings)),
    created_at   text not null,
    updated_at   text not null
) strict;
INSERT INTO "voices" VALUES('Olivia','description','Female, British accent, warm and quick','Audio is recorded from a quiet room.',NULL,NULL,NULL,'{}','2026-11-23T03:48:06.762887+00:00','2026-11-23T03:48:06.762901+00:00');
INSERT INTO "voices" VALUES('Mark','description','Male, American accent, deep, calm and slow','Audio is recorded from a quiet room.',NULL,NULL,NULL,'{}','2026-11-23T03:48:06.762919+00:00','2026-11-23T03:48:06.762920+00:00');
INSERT INTO "voices" VALUES('Rosa','description','Female, American accent, high, energetic','Audio is recorded from a quiet room.',NULL,NULL,NULL,'{}','2026-11-23T03:48:06.762927+00:00','2026-11-23T03:48:06.762928+00:00');
INSERT INTO "voices" VALUES('Zoë''s','clone','warm','','zoe.wav','zoe.txt','[[1, 2], [3]]','{"speed": 1.5}','2026-01-02T03:04:05.000000+00:00','2026-01-02T03:04:05.000000+00:00');
CREATE INDEX characters_by_voice on characters (voice);
CREATE INDEX conversations_by_activity on conversations (updated_at);
CREATE INDEX messages_by_conversation on messages (conversation_id, seq);
COMMIT;
