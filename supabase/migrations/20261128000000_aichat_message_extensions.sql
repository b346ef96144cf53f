-- Free JSON on a message (its versions, what it cost, which tools it used), messages that can be
-- deleted, and clips that stay because a character shows them.

alter table public.messages
  add column extensions json not null default '{}' check (json_typeof(extensions) = 'object');

create or replace function aichat.message_json(m public.messages) returns json
language sql stable as $$
  select json_build_object(
    'message_id', m.message_id, 'conversation_id', m.conversation_id, 'role', m.role,
    'content', m.content, 'name', m.name, 'character_id', m.character_id, 'turn_id', m.turn_id,
    'interrupted', m.interrupted, 'heard', m.heard, 'source', m.source,
    'created_at', m.created_at, 'extensions', m.extensions)
$$;

create or replace function aichat.add_message(m public.messages) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  perform aichat.require('character', m.character_id);
  insert into messages as kept (conversation_id, seq, message_id, role, content, name,
                                character_id, turn_id, interrupted, heard, source, created_at,
                                extensions, words)
    select m.conversation_id, coalesce(max(seq), 0) + 1, m.message_id, m.role, m.content, m.name,
           m.character_id, m.turn_id, m.interrupted, m.heard, m.source, m.created_at,
           coalesce(m.extensions, '{}'), m.words
    from messages where owner = aichat.owner() and conversation_id = m.conversation_id
    on conflict (owner, message_id) do update
      set (role, content, name, character_id, turn_id, interrupted, heard, source, created_at,
           extensions, words)
        = (excluded.role, excluded.content, excluded.name, excluded.character_id,
           excluded.turn_id, excluded.interrupted, excluded.heard, excluded.source,
           excluded.created_at, excluded.extensions, excluded.words)
      where kept.conversation_id = excluded.conversation_id;
  if not found then
    perform aichat.refuse(
      'PT409', format('Message ''%s'' is in another conversation.', m.message_id),
      'Make a new id.');
  end if;
end $$;

create function public.delete_message(p_id text) returns json
language plpgsql set search_path = public, pg_temp as $$
begin
  delete from messages where owner = aichat.owner() and message_id = p_id;
  if not found then
    perform aichat.missing('message', p_id);
  end if;
  return 'true';
end $$;

-- Remove those of these clips that no voice has and no character shows.
create or replace function aichat.drop_clips(p_keys text[]) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  perform from clips where owner = aichat.owner() and key = any (p_keys) order by key for update;
  delete from clips c where owner = aichat.owner() and key = any (p_keys)
    and not exists (
      select from voices v where v.owner = c.owner and c.key in (v.audio_path, v.text_path))
    and not exists (
      select from characters w where w.owner = c.owner
        and ('/images/' || c.key = w.image_url or '/images/' || c.key = any (w.images)));
end $$;

create or replace function public.aichat_version() returns text
language sql immutable set search_path = '' as $$ select '20261128000000' $$;

-- Supabase grants every new function to these roles, also to anon
do $$
declare
  role text;
begin
  revoke all on function public.delete_message(text) from public;
  if exists (select from pg_catalog.pg_roles where rolname = 'anon') then
    revoke all on function public.delete_message(text) from anon;
  end if;
  for role in select rolname from pg_catalog.pg_roles
              where rolname in ('authenticated', 'service_role') loop
    execute format('grant execute on function public.delete_message(text) to %I', role);
  end loop;
end $$;

notify pgrst, 'reload schema';
