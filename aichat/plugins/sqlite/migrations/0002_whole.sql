-- Clips, settings, search, numbered ids; and references that the database itself keeps from dangling.

-- Files in the folder of clips. In version 1 a voice's paths led nowhere.
create table clips (
    key        text primary key not null,
    size       integer not null,
    created_at text not null
) strict;

update voices set audio_path = null, text_path = null;

create table settings (
    name  text primary key not null,
    value text not null check (json_valid(value))
) strict;

-- The highest number that a character of each slug has had: olivia-barns-001 counts for olivia-barns.
create table character_numbers (
    slug   text primary key not null,
    number integer not null
) strict;

with ids (id) as (select id from characters union select character_id from messages),
     split (letters, digits) as (
         select rtrim(id, '0123456789'), substr(id, length(rtrim(id, '0123456789')) + 1) from ids
     )
insert into character_numbers (slug, number)
select substr(letters, 1, length(letters) - 1) as slug, max(cast(digits as integer)) from split
where letters like '%_-' and length(digits) between 3 and 9
group by slug;

-- Each character is in a cast once, and leaves it when it is deleted.
update conversations set active_characters = (
    select json_group_array(id) from (
        select characters.id from json_each(active_characters) as place
        join characters on characters.id = place.value
        group by characters.id order by min(place.key)
    )
);

create trigger characters_leave after delete on characters begin
    update conversations set active_characters = (
        select json_group_array(id) from (
            select value as id from json_each(active_characters) where value <> old.id order by key
        )
    )
    where exists (select 1 from json_each(active_characters) where value = old.id);
end;

-- What a character said outlives it, under its name.
create table messages_2 (
    seq             integer primary key,
    message_id      text not null unique,
    conversation_id text not null references conversations (conversation_id) on delete cascade,
    role            text not null check (role in ('user', 'assistant', 'system')),
    content         text not null,
    name            text,
    character_id    text references characters (id) on delete set null,
    turn_id         text not null,
    interrupted     integer not null check (interrupted in (0, 1)),
    heard           text,
    source          text not null check (source in ('voice', 'text')),
    created_at      text not null
) strict;

insert into messages_2
select seq, message_id, conversation_id, role, content, name,
       (select id from characters where id = character_id),
       turn_id, interrupted, heard, source, created_at
from messages;

drop table messages;
alter table messages_2 rename to messages;

create index messages_by_conversation on messages (conversation_id, seq);
create index messages_by_character on messages (character_id) where character_id is not null;

-- Search: whole words in any case, accents count. The text itself stays in messages.
create virtual table message_words using fts5 (
    content, content = 'messages', content_rowid = 'seq', columnsize = 0,
    tokenize = "unicode61 remove_diacritics 0 separators '{newer_symbols}'"
);

insert into message_words (message_words) values ('rebuild');

create trigger messages_said after insert on messages begin
    insert into message_words (rowid, content) values (new.seq, new.content);
end;

create trigger messages_unsaid after delete on messages begin
    insert into message_words (message_words, rowid, content)
    values ('delete', old.seq, old.content);
end;

create trigger messages_corrected after update of content on messages
when new.content <> old.content begin
    insert into message_words (message_words, rowid, content)
    values ('delete', old.seq, old.content);
    insert into message_words (rowid, content) values (new.seq, new.content);
end;
