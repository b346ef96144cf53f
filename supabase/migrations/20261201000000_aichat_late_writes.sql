-- A write whose answer was given up waiting for may be done later, after a newer one of the same
-- message. Each says which it is, and an older one changes nothing any more.

alter table public.messages add column revision bigint not null default 0;

create or replace function aichat.add_message(m public.messages) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  perform aichat.require('character', m.character_id);
  insert into messages as kept (conversation_id, seq, message_id, role, content, name,
                                character_id, turn_id, interrupted, heard, source, created_at,
                                extensions, words, revision)
    select m.conversation_id, coalesce(max(seq), 0) + 1, m.message_id, m.role, m.content, m.name,
           m.character_id, m.turn_id, m.interrupted, m.heard, m.source, m.created_at,
           coalesce(m.extensions, '{}'), m.words, coalesce(m.revision, 0)
    from messages where owner = aichat.owner() and conversation_id = m.conversation_id
    on conflict (owner, message_id) do update
      set (role, content, name, character_id, turn_id, interrupted, heard, source, created_at,
           extensions, words, revision)
        = (excluded.role, excluded.content, excluded.name, excluded.character_id,
           excluded.turn_id, excluded.interrupted, excluded.heard, excluded.source,
           excluded.created_at, excluded.extensions, excluded.words, excluded.revision)
      where kept.conversation_id = excluded.conversation_id
        and (m.revision is null or kept.revision <= m.revision);
  if not found and not exists (
      select from messages where owner = aichat.owner() and message_id = m.message_id
        and conversation_id = m.conversation_id) then
    perform aichat.refuse(
      'PT409', format('Message ''%s'' is in another conversation.', m.message_id),
      'Make a new id.');
  end if;
end $$;

-- Set some of a conversation's settings, null takes one away; and change fields of it, in one step.
-- No null stays, also none that was there before: as in every other store.
create or replace function public.adjust_conversation(
  p_id text, p_settings json, p_changes json) returns json
language plpgsql set search_path = public, pg_temp as $$
declare
  before json := (aichat.hold(p_id)).settings;
  after json;
begin
  select coalesce(json_object_agg(key, value), '{}') into after from (
    select key, value from (
      select kept.key, kept.value from json_each(before) kept
        where not exists (select from json_each(p_settings) given where given.key = kept.key)
      union all
      select key, value from json_each(p_settings)) both_of_them
    where json_typeof(value) <> 'null') set_ones;
  return public.change_conversation(p_id, (
    select json_object_agg(key, value) from (
      select key, value from json_each(p_changes) where key <> 'settings'
      union all
      select 'settings', after) all_of_them));
end $$;

create or replace function public.aichat_version() returns text
language sql immutable set search_path = '' as $$ select '20261201000000' $$;

notify pgrst, 'reload schema';
