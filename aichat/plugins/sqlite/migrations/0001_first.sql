-- Lists and mappings are JSON. Times are ISO 8601 in UTC with microseconds, so that they sort as text.

create table voices (
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

create table characters (
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

create index characters_by_voice on characters (voice);

create table conversations (
    conversation_id   text primary key not null,
    title             text,
    active_characters text not null check (json_valid(active_characters)),
    settings          text not null check (json_valid(settings)),
    created_at        text not null,
    updated_at        text not null
) strict;

create index conversations_by_activity on conversations (updated_at);

-- What a character said outlives the character, so character_id refers to no row.
create table messages (
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

create index messages_by_conversation on messages (conversation_id, seq);
