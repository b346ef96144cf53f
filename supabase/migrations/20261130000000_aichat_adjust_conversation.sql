-- Settings of a conversation that are changed one by one, whoever else changes others meanwhile.

-- Set some of a conversation's settings, null takes one away; and change fields of it, in one step.
create function public.adjust_conversation(p_id text, p_settings json, p_changes json) returns json
language plpgsql set search_path = public, pg_temp as $$
declare
  before json := (aichat.hold(p_id)).settings;
  after json;
begin
  select coalesce(json_object_agg(key, value), '{}') into after from (
    select kept.key, kept.value from json_each(before) kept
      where not exists (select from json_each(p_settings) given where given.key = kept.key)
    union all
    select key, value from json_each(p_settings) where json_typeof(value) <> 'null') both_of_them;
  return public.change_conversation(p_id, (
    select json_object_agg(key, value) from (
      select key, value from json_each(p_changes) where key <> 'settings'
      union all
      select 'settings', after) all_of_them));
end $$;

do $$
declare
  role text;
begin
  revoke all on function public.adjust_conversation(text, json, json) from public;
  if exists (select from pg_catalog.pg_roles where rolname = 'anon') then
    revoke all on function public.adjust_conversation(text, json, json) from anon;
  end if;
  for role in select rolname from pg_catalog.pg_roles
              where rolname in ('authenticated', 'service_role') loop
    execute format(
      'grant execute on function public.adjust_conversation(text, json, json) to %I', role);
  end loop;
end $$;

create or replace function public.aichat_version() returns text
language sql immutable set search_path = '' as $$ select '20261130000000' $$;

notify pgrst, 'reload schema';
