-- The store: one function for each call of aichat.core.Storage, under its name.
--
-- A call is one transaction, so all of it happens or nothing does. Records go in and come out as
-- JSON with the fields of the outside contract. Refusals carry an SQLSTATE that PostgREST turns
-- into the HTTP status of its digits (PT404 not found, PT409 conflict, PT400 bad value); the
-- message says what is wrong, the hint how to mend it, and the detail names the field.
--
-- All are security invoker: row level security decides what a user reaches. They name the owner as
-- well, because a service key passes row level security and may still mean one owner only.

-- -- helpers -----------------------------------------------------------------------------------

create function aichat.refuse(code text, problem text, mend text, field text default '')
returns json language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = code, message = problem, hint = mend, detail = field;
end $$;

create function aichat.missing(noun text, key text) returns json language sql set search_path = ''
as $$ select aichat.refuse('PT404', format('There is no %s ''%s''.', noun, key),
                           format('Check the id of the %s.', noun)) $$;

create function aichat.taken(noun text, key text) returns json language sql set search_path = ''
as $$ select aichat.refuse('PT409', format('There is a %s ''%s'' already.', noun, key),
                           'Choose another, or change that one.') $$;

create function aichat.has(noun text, key text) returns boolean
language sql stable set search_path = public, pg_temp as $$
  select case noun
    when 'clip' then exists (select from clips c where c.owner = aichat.owner() and c.key = has.key)
    when 'voice' then
      exists (select from voices where owner = aichat.owner() and voice = has.key)
    when 'character' then
      exists (select from characters where owner = aichat.owner() and id = has.key)
    when 'conversation' then
      exists (select from conversations where owner = aichat.owner() and conversation_id = has.key)
  end
$$;

-- null refers to nothing, and nothing is missing
create function aichat.require(noun text, key text) returns void
language plpgsql set search_path = '' as $$
begin
  if key is not null and not aichat.has(noun, key) then
    perform aichat.missing(noun, key);
  end if;
end $$;

-- -- characters --------------------------------------------------------------------------------

create function public.characters(p_active boolean default null) returns json
language sql stable set search_path = public, pg_temp as $$
  select coalesce(json_agg(c order by created_at, seq), '[]') from characters c
  where owner = aichat.owner() and (p_active is null or is_active = p_active)
$$;

create function public."character"(p_id text) returns json
language sql stable set search_path = public, pg_temp as $$
  select coalesce(
    (select row_to_json(c) from characters c where owner = aichat.owner() and id = p_id),
    aichat.missing('character', p_id))
$$;

-- Beside its fields a character has a `slug` and a `number`, which its id is made of; without an
-- id it gets the next number. Both are null for other ids.
create function public.add_character(p_character json) returns json
language plpgsql set search_path = public, pg_temp as $$
declare
  v characters := json_populate_record(null::characters, p_character);
begin
  if v.id = '' then
    v.id := aichat.next_id(p_character ->> 'slug');
  elsif aichat.has('character', v.id) then
    perform aichat.taken('character', v.id);
  elsif p_character ->> 'slug' is not null then
    insert into character_numbers as n (slug, last)
      values (p_character ->> 'slug', (p_character ->> 'number')::bigint)
      on conflict (owner, slug) do update set last = greatest(n.last, excluded.last);
  end if;
  perform aichat.require('voice', v.voice);
  insert into characters (id, name, system_prompt, voice, image_url, images, is_active, greeting,
                          model, temperature, extensions, created_at, updated_at)
    values (v.id, v.name, v.system_prompt, v.voice, v.image_url, v.images, v.is_active, v.greeting,
            v.model, v.temperature, v.extensions, v.created_at, v.updated_at)
    on conflict do nothing;
  if not found then  -- somebody was quicker
    perform aichat.taken('character', v.id);
  end if;
  return public."character"(v.id);
end $$;

create function aichat.next_id(p_slug text) returns text
language sql set search_path = public, pg_temp as $$
  insert into character_numbers as n (slug, last) values (p_slug, 1)
    on conflict (owner, slug) do update set last = n.last + 1
    returning format('%s-%s', slug, lpad(last::text, greatest(3, length(last::text)), '0'))
$$;

create function public.change_character(p_id text, p_changes json) returns json
language plpgsql set search_path = public, pg_temp as $$
declare
  v characters;
begin
  select * into v from characters where owner = aichat.owner() and id = p_id for update;
  if not found then
    perform aichat.missing('character', p_id);
  end if;
  v := json_populate_record(v, p_changes);
  perform aichat.require('voice', v.voice);
  update characters
    set (name, system_prompt, voice, image_url, images, is_active, greeting,
         model, temperature, extensions, updated_at)
      = (v.name, v.system_prompt, v.voice, v.image_url, v.images, v.is_active, v.greeting,
         v.model, v.temperature, v.extensions, clock_timestamp())
    where owner = aichat.owner() and id = p_id;
  return public."character"(p_id);
end $$;

create function public.delete_character(p_id text) returns json
language plpgsql set search_path = public, pg_temp as $$
begin
  delete from characters where owner = aichat.owner() and id = p_id;
  if not found then
    perform aichat.missing('character', p_id);
  end if;
  return 'true';
end $$;

-- -- voices and their clips --------------------------------------------------------------------

create function public.voices() returns json
language sql stable set search_path = public, pg_temp as $$
  select coalesce(json_agg(v order by created_at, seq), '[]') from voices v
  where owner = aichat.owner()
$$;

create function public.voice(p_key text) returns json
language sql stable set search_path = public, pg_temp as $$
  select coalesce(
    (select row_to_json(v) from voices v where owner = aichat.owner() and voice = p_key),
    aichat.missing('voice', p_key))
$$;

create function public.add_voice(p_voice json) returns json
language plpgsql set search_path = public, pg_temp as $$
declare
  v voices := json_populate_record(null::voices, p_voice);
begin
  if aichat.has('voice', v.voice) then
    perform aichat.taken('voice', v.voice);
  end if;
  perform aichat.require('clip', v.audio_path);
  perform aichat.require('clip', v.text_path);
  insert into voices (voice, method, speaker_desc, scene_prompt, audio_path, text_path,
                      audio_tokens, settings, created_at, updated_at)
    values (v.voice, v.method, v.speaker_desc, v.scene_prompt, v.audio_path, v.text_path,
            v.audio_tokens, v.settings, v.created_at, v.updated_at)
    on conflict do nothing;
  if not found then
    perform aichat.taken('voice', v.voice);
  end if;
  return public.voice(v.voice);
end $$;

create function public.change_voice(p_key text, p_changes json) returns json
language plpgsql set search_path = public, pg_temp as $$
declare
  before voices;
  v voices;
begin
  select * into before from voices where owner = aichat.owner() and voice = p_key for update;
  if not found then
    perform aichat.missing('voice', p_key);
  end if;
  v := json_populate_record(before, p_changes);
  perform aichat.require('clip', v.audio_path);
  perform aichat.require('clip', v.text_path);
  update voices
    set (method, speaker_desc, scene_prompt, audio_path, text_path, audio_tokens, settings,
         updated_at)
      = (v.method, v.speaker_desc, v.scene_prompt, v.audio_path, v.text_path, v.audio_tokens,
         v.settings, clock_timestamp())
    where owner = aichat.owner() and voice = p_key;
  perform aichat.drop_clips(array[before.audio_path, before.text_path]);
  return public.voice(p_key);
end $$;

create function public.delete_voice(p_key text) returns json
language plpgsql set search_path = public, pg_temp as $$
declare
  v voices;
  users text;
begin
  select * into v from voices where owner = aichat.owner() and voice = p_key for update;
  if not found then
    perform aichat.missing('voice', p_key);
  end if;
  select string_agg(name, ', ' order by created_at, seq) into users
    from characters where owner = aichat.owner() and voice = p_key;
  if users is not null then
    perform aichat.refuse('PT409', format('The voice ''%s'' is used by %s.', p_key, users),
                          'Change theirs first.');
  end if;
  delete from voices where owner = aichat.owner() and voice = p_key;
  perform aichat.drop_clips(array[v.audio_path, v.text_path]);
  return 'true';
end $$;

-- Remove those of these clips that no voice has. Locked first, then looked at: a voice that is
-- being added with one of them counts.
create function aichat.drop_clips(p_keys text[]) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  perform from clips where owner = aichat.owner() and key = any (p_keys) order by key for update;
  delete from clips c where owner = aichat.owner() and key = any (p_keys) and not exists (
    select from voices v where v.owner = c.owner and c.key in (v.audio_path, v.text_path));
end $$;

-- Bytes travel in base64, because JSON has no others
create function public.add_clip(p_data text, p_extension text) returns json
language sql set search_path = public, pg_temp as $$
  with bytes as (select decode(p_data, 'base64') as data),
  named as (select encode(sha256(data), 'hex') || '.' || p_extension as key, data from bytes),
  added as (
    insert into clips (key, data) select key, data from named
    on conflict (owner, key) do update set created_at = now())
  select to_json(key) from named
$$;

create function public.clip(p_key text) returns json
language sql stable set search_path = public, pg_temp as $$
  select coalesce(
    (select to_json(encode(data, 'base64')) from clips
       where owner = aichat.owner() and key = p_key),
    aichat.missing('clip', p_key))
$$;

-- -- conversations -----------------------------------------------------------------------------

create function aichat.conversation_json(p public.conversations) returns json
language sql stable set search_path = public, pg_temp as $$
  select row_to_json(shown) from (select p.*, array(
    select character_id from conversation_characters c
    where c.owner = p.owner and c.conversation_id = p.conversation_id order by place
  ) as active_characters) shown
$$;

create function public.conversations(p_limit integer, p_offset integer) returns json
language sql stable set search_path = public, pg_temp as $$
  select coalesce(
    json_agg(aichat.conversation_json(page) order by updated_at desc, seq desc), '[]')
  from (
    select * from conversations where owner = aichat.owner()
    order by updated_at desc, seq desc limit p_limit offset p_offset
  ) page
$$;

create function public.conversation(p_id text) returns json
language sql stable set search_path = public, pg_temp as $$
  select coalesce(
    (select aichat.conversation_json(c) from conversations c
       where owner = aichat.owner() and conversation_id = p_id),
    aichat.missing('conversation', p_id))
$$;

create function public."cast"(p_id text) returns json
language sql stable set search_path = public, pg_temp as $$
  select json_build_object(
    'conversation', public.conversation(p_id),
    'characters', (
      select coalesce(json_agg(c order by place), '[]')
      from conversation_characters m
      join characters c on c.owner = m.owner and c.id = m.character_id
      where m.owner = aichat.owner() and m.conversation_id = p_id))
$$;

-- Activity has a moment of its own, also when the clock stands still or goes back
create function aichat.moment() returns timestamptz
language sql set search_path = public, pg_temp as $$
  select greatest(clock_timestamp(), max(updated_at) + interval '1 microsecond')
  from conversations where owner = aichat.owner()
$$;

create function aichat.touch(p_id text) returns void
language sql set search_path = public, pg_temp as $$
  update conversations set updated_at = aichat.moment()
  where owner = aichat.owner() and conversation_id = p_id
$$;

-- Keep a conversation as it is until the end of this transaction
create function aichat.hold(p_id text) returns public.conversations
language plpgsql set search_path = public, pg_temp as $$
declare
  v conversations;
begin
  select * into v from conversations
    where owner = aichat.owner() and conversation_id = p_id for no key update;
  if not found then
    perform aichat.missing('conversation', p_id);
  end if;
  return v;
end $$;

create function aichat.set_cast(p_id text, p_cast json) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  ids text[] := array(select json_array_elements_text(p_cast));
begin
  perform aichat.require('character', coalesce(id, '')) from unnest(ids) id;
  if cardinality(ids) > (select count(distinct id) from unnest(ids) id) then
    perform aichat.refuse('PT400', 'active_characters names somebody twice.', 'Name each once.',
                          'active_characters');
  end if;
  delete from conversation_characters where owner = aichat.owner() and conversation_id = p_id;
  insert into conversation_characters (conversation_id, place, character_id)
    select p_id, place, id from unnest(ids) with ordinality as given (id, place);
end $$;

create function public.add_conversation(p_conversation json) returns json
language plpgsql set search_path = public, pg_temp as $$
declare
  v conversations := json_populate_record(null::conversations, p_conversation);
begin
  insert into conversations (conversation_id, title, settings, created_at, updated_at)
    values (v.conversation_id, v.title, v.settings, v.created_at, v.updated_at)
    on conflict do nothing;
  if not found then
    perform aichat.taken('conversation', v.conversation_id);
  end if;
  perform aichat.set_cast(v.conversation_id, p_conversation -> 'active_characters');
  return public.conversation(v.conversation_id);
end $$;

create function public.change_conversation(p_id text, p_changes json) returns json
language plpgsql set search_path = public, pg_temp as $$
declare
  v conversations := json_populate_record(aichat.hold(p_id), p_changes);
begin
  if p_changes -> 'active_characters' is not null then
    perform aichat.set_cast(p_id, p_changes -> 'active_characters');
  end if;
  update conversations
    set (title, settings, updated_at) = (v.title, v.settings, aichat.moment())
    where owner = aichat.owner() and conversation_id = p_id;
  return public.conversation(p_id);
end $$;

create function public.join_conversation(p_id text, p_character text) returns json
language plpgsql set search_path = public, pg_temp as $$
begin
  perform aichat.hold(p_id);
  perform aichat.require('character', p_character);
  insert into conversation_characters (conversation_id, place, character_id)
    select p_id, coalesce(max(place), 0) + 1, p_character from conversation_characters
    where owner = aichat.owner() and conversation_id = p_id
    on conflict (owner, conversation_id, character_id) do nothing;
  if found then
    perform aichat.touch(p_id);
  end if;
  return public.conversation(p_id);
end $$;

create function public.leave_conversation(p_id text, p_character text) returns json
language plpgsql set search_path = public, pg_temp as $$
begin
  perform aichat.hold(p_id);
  delete from conversation_characters
    where owner = aichat.owner() and conversation_id = p_id and character_id = p_character;
  if not found then
    perform aichat.refuse(
      'PT404', format('Character ''%s'' is not in this conversation.', p_character),
      'Look at its cast.');
  end if;
  perform aichat.touch(p_id);
  return public.conversation(p_id);
end $$;

create function public.delete_conversation(p_id text) returns json
language plpgsql set search_path = public, pg_temp as $$
begin
  delete from conversations where owner = aichat.owner() and conversation_id = p_id;
  if not found then
    perform aichat.missing('conversation', p_id);
  end if;
  return 'true';
end $$;

-- -- messages ----------------------------------------------------------------------------------

create function aichat.message_json(m public.messages) returns json
language sql stable as $$
  select json_build_object(
    'message_id', m.message_id, 'conversation_id', m.conversation_id, 'role', m.role,
    'content', m.content, 'name', m.name, 'character_id', m.character_id, 'turn_id', m.turn_id,
    'interrupted', m.interrupted, 'heard', m.heard, 'source', m.source,
    'created_at', m.created_at)
$$;

-- Append in order, all or none; a message with a known id takes the place of that version.
-- Beside its fields a message has `words`, and a `title`: what it would call its conversation.
create function public.add_messages(p_messages json) returns json
language plpgsql set search_path = public, pg_temp as $$
declare
  given json;
begin
  -- in one order for all, so that two batches never wait for each other
  perform aichat.hold(id) from (
    select distinct m ->> 'conversation_id' as id from json_array_elements(p_messages) m order by id
  ) conversations;
  for given in select json_array_elements(p_messages) loop
    perform aichat.add_message(json_populate_record(null::messages, given));
    update conversations
      set (updated_at, title) = (aichat.moment(), coalesce(title, given ->> 'title'))
      where owner = aichat.owner() and conversation_id = given ->> 'conversation_id';
  end loop;
  return 'true';
end $$;

create function aichat.add_message(m public.messages) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  perform aichat.require('character', m.character_id);
  insert into messages as kept (conversation_id, seq, message_id, role, content, name,
                                character_id, turn_id, interrupted, heard, source, created_at,
                                words)
    select m.conversation_id, coalesce(max(seq), 0) + 1, m.message_id, m.role, m.content, m.name,
           m.character_id, m.turn_id, m.interrupted, m.heard, m.source, m.created_at,
           m.words
    from messages where owner = aichat.owner() and conversation_id = m.conversation_id
    on conflict (owner, message_id) do update
      set (role, content, name, character_id, turn_id, interrupted, heard, source, created_at,
           words)
        = (excluded.role, excluded.content, excluded.name, excluded.character_id,
           excluded.turn_id, excluded.interrupted, excluded.heard, excluded.source,
           excluded.created_at, excluded.words)
      where kept.conversation_id = excluded.conversation_id;
  if not found then
    perform aichat.refuse(
      'PT409', format('Message ''%s'' is in another conversation.', m.message_id),
      'Make a new id.');
  end if;
end $$;

create function public.message(p_id text) returns json
language sql stable set search_path = public, pg_temp as $$
  select coalesce(
    (select aichat.message_json(m) from messages m
       where owner = aichat.owner() and message_id = p_id),
    aichat.missing('message', p_id))
$$;

-- Where a message is in its conversation; null is nowhere
create function aichat.place(p_conversation text, p_message text) returns bigint
language plpgsql set search_path = public, pg_temp as $$
declare
  place bigint;
begin
  perform aichat.require('conversation', coalesce(p_conversation, ''));
  select seq into place from messages where owner = aichat.owner()
    and conversation_id = p_conversation and message_id = p_message;
  if place is null and p_message is not null then
    perform aichat.missing('message', p_message);
  end if;
  return place;
end $$;

create function public.messages(
  p_conversation text, p_limit integer, p_offset integer, p_after text default null
) returns json language plpgsql stable set search_path = public, pg_temp as $$
declare
  after bigint := coalesce(aichat.place(p_conversation, p_after), 0);
begin
  return (
    select coalesce(json_agg(aichat.message_json(page) order by seq), '[]') from (
      select * from messages
      where owner = aichat.owner() and conversation_id = p_conversation and seq > after
      order by seq limit p_limit offset p_offset
    ) page);
end $$;

create function public.recent_messages(
  p_conversation text, p_n integer, p_before text default null
) returns json language plpgsql stable set search_path = public, pg_temp as $$
declare
  before bigint := aichat.place(p_conversation, p_before);
begin
  return (
    select coalesce(json_agg(aichat.message_json(page) order by seq), '[]') from (
      select * from messages
      where owner = aichat.owner() and conversation_id = p_conversation
        and seq < coalesce(before, 9223372036854775807)
      order by seq desc limit p_n
    ) page);
end $$;

create function public.search_messages(p_words json, p_limit integer, p_offset integer)
returns json language sql stable set search_path = public, pg_temp as $$
  select coalesce(
    json_agg(aichat.message_json(page) order by created_at desc, message_id desc), '[]')
  from (
    select * from messages
    where owner = aichat.owner() and words @> array(select json_array_elements_text(p_words))
    order by created_at desc, message_id desc limit p_limit offset p_offset
  ) page
$$;

-- -- settings of the application ---------------------------------------------------------------

create function public.settings() returns json
language sql stable set search_path = public, pg_temp as $$
  select coalesce(json_object_agg(name, value), '{}') from settings where owner = aichat.owner()
$$;

create function public.change_settings(p_changes json) returns json
language plpgsql set search_path = public, pg_temp as $$
begin
  delete from settings where owner = aichat.owner()
    and name in (select key from json_each(p_changes) where json_typeof(value) = 'null');
  insert into settings (name, value)
    select key, value from json_each(p_changes) where json_typeof(value) <> 'null' order by key
    on conflict (owner, name) do update set value = excluded.value;
  return public.settings();
end $$;

-- -- beginning ---------------------------------------------------------------------------------

-- Let the ready-made characters move in where no character has ever been: deleted ones stay away.
-- And sweep up the clips that no voice has taken within a day, as of an upload that was given up.
create function public.open_store(p_voices json, p_characters json) returns json
language plpgsql set search_path = public, pg_temp as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('aichat.open_store ' || aichat.owner(), 0));
  perform aichat.drop_clips(array(
    select key from clips where owner = aichat.owner() and created_at < now() - interval '1 day'));
  if exists (select from character_numbers where owner = aichat.owner()) then
    return 'false';
  end if;
  perform public.add_voice(v) from json_array_elements(p_voices) v;
  perform public.add_character(c) from json_array_elements(p_characters) c;
  return 'true';
end $$;
