-- Who reaches what: users their own rows, the service key everything, everybody else nothing.

do $$
declare
  name text;
begin
  foreach name in array array[
    'clips', 'voices', 'characters', 'character_numbers', 'conversations',
    'conversation_characters', 'messages', 'settings'
  ] loop
    execute format('alter table public.%I enable row level security', name);
    -- a request without a user has a null id, which equals nothing: not even the nil owner
    execute format('create policy own on public.%I using (owner = (select aichat.user_id())) '
                   'with check (owner = (select aichat.user_id()))', name);
  end loop;
end $$;

-- The newest migration that the database has; each one brings a new version of this
create function public.aichat_version() returns text
language sql immutable set search_path = '' as $$ select '20261123000002' $$;

-- Supabase grants everything in public to these roles, also to anon, until it is taken away.
-- A plain PostgreSQL has no such roles; there the owner of the tables is the one who connects.
do $$
declare
  tables constant text := 'public.clips, public.voices, public.characters, '
    'public.character_numbers, public.conversations, public.conversation_characters, '
    'public.messages, public.settings';
  functions text;
  role text;
begin
  select string_agg(format('%s', oid::regprocedure), ', ') into functions from pg_catalog.pg_proc
    where pronamespace = 'aichat'::regnamespace and prokind = 'f'
      or pronamespace = 'public'::regnamespace and proname in (
        'characters', 'character', 'add_character', 'change_character', 'delete_character',
        'voices', 'voice', 'add_voice', 'change_voice', 'delete_voice', 'add_clip', 'clip',
        'conversations', 'conversation', 'cast', 'add_conversation', 'change_conversation',
        'join_conversation', 'leave_conversation', 'delete_conversation', 'add_messages',
        'message', 'messages', 'recent_messages', 'search_messages', 'settings',
        'change_settings', 'open_store', 'aichat_version');
  execute format('revoke all on %s from public', tables);
  execute format('revoke all on function %s from public', functions);
  if exists (select from pg_catalog.pg_roles where rolname = 'anon') then
    execute format('revoke all on %s from anon', tables);
    execute format('revoke all on function %s from anon', functions);
  end if;
  for role in select rolname from pg_catalog.pg_roles
              where rolname in ('authenticated', 'service_role') loop
    execute format('revoke all on %s from %I', tables, role);  -- truncate knows no row level security
    execute format('grant usage on schema aichat to %I', role);
    execute format('grant select, insert, update, delete on %s to %I', tables, role);
    execute format('grant execute on function %s to %I', functions, role);
  end loop;
end $$;

notify pgrst, 'reload schema';
