-- What aichat keeps, in a plain PostgreSQL (15 or newer) and in Supabase alike.
--
-- Every row has an owner, and every key begins with it: two people may both have an
-- olivia-barns-001, and neither can tell. The owner is the user whose token a request carries.
-- Without one (a plain connection, a service key) it is the nil UUID: the single owner of a
-- database that nobody shares.

create schema aichat;  -- helpers, out of the API that Supabase makes of the schema public

-- PostgREST puts the claims of a token that it has verified there; Supabase's auth.uid() is the same
create function aichat.user_id() returns uuid language sql stable as $$
  select (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub')::uuid
$$;

create function aichat.owner() returns uuid language sql stable as $$
  select coalesce(aichat.user_id(), '00000000-0000-0000-0000-000000000000')
$$;

create table public.clips (
  owner uuid not null default aichat.owner(),
  key text not null,
  data bytea not null,
  created_at timestamptz not null default now(),
  primary key (owner, key),
  constraint clips_key_is_the_hash
    check (key ~ ('^' || encode(sha256(data), 'hex') || '\.[a-z0-9]{1,8}$'))
);
alter table public.clips alter column data set storage external;  -- audio is not compressible

-- Free JSON is json and not jsonb, which would change numbers and the order of keys.
create table public.voices (
  owner uuid not null default aichat.owner(),
  voice text not null,
  method text not null default 'description' check (method in ('description', 'clone')),
  speaker_desc text not null default '',
  scene_prompt text not null default '',
  audio_path text,
  text_path text,
  audio_tokens json check (json_typeof(audio_tokens) = 'array'),
  settings json not null default '{}' check (json_typeof(settings) = 'object'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  seq bigint generated always as identity,
  primary key (owner, voice),
  foreign key (owner, audio_path) references public.clips (owner, key),
  foreign key (owner, text_path) references public.clips (owner, key)
);
create index voices_audio on public.voices (owner, audio_path);
create index voices_text on public.voices (owner, text_path);

create table public.characters (
  owner uuid not null default aichat.owner(),
  id text not null,
  name text not null,
  system_prompt text not null default '',
  voice text,
  image_url text,
  images text[] not null default '{}',
  is_active boolean not null default true,
  greeting text,
  model text,
  temperature double precision,
  extensions json not null default '{}' check (json_typeof(extensions) = 'object'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  seq bigint generated always as identity,
  primary key (owner, id),
  foreign key (owner, voice) references public.voices (owner, voice)
);
create index characters_voice on public.characters (owner, voice);

-- The highest number that a character of each slug has had. A number is not given twice.
create table public.character_numbers (
  owner uuid not null default aichat.owner(),
  slug text not null,
  last bigint not null,
  primary key (owner, slug)
);

create table public.conversations (
  owner uuid not null default aichat.owner(),
  conversation_id text not null,
  title text,
  settings json not null default '{}' check (json_typeof(settings) = 'object'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),  -- the latest activity
  seq bigint generated always as identity,
  primary key (owner, conversation_id)
);
create index conversations_by_activity on public.conversations (owner, updated_at, seq);

create table public.conversation_characters (
  owner uuid not null default aichat.owner(),
  conversation_id text not null,
  place bigint not null,  -- in order; there may be gaps
  character_id text not null,
  primary key (owner, conversation_id, place),
  unique (owner, conversation_id, character_id),
  foreign key (owner, conversation_id)
    references public.conversations (owner, conversation_id) on delete cascade,
  foreign key (owner, character_id) references public.characters (owner, id) on delete cascade
);
create index conversation_characters_by_character
  on public.conversation_characters (owner, character_id);

create table public.messages (
  owner uuid not null default aichat.owner(),
  conversation_id text not null,
  seq bigint not null,  -- 1, 2, 3 … in each conversation
  message_id text not null,
  role text not null check (role in ('user', 'assistant', 'system')),
  content text not null,
  name text,
  character_id text,
  turn_id text not null default '',
  interrupted boolean not null default false,
  heard text,
  source text not null default 'text' check (source in ('voice', 'text')),
  created_at timestamptz not null default now(),
  words text[] not null default '{}',  -- see aichat/plugins/postgres/records.py
  primary key (owner, conversation_id, seq),
  unique (owner, message_id),
  foreign key (owner, conversation_id)
    references public.conversations (owner, conversation_id) on delete cascade,
  foreign key (owner, character_id)
    references public.characters (owner, id) on delete set null (character_id)
);
create index messages_by_character on public.messages (owner, character_id)
  where character_id is not null;
create index messages_words on public.messages using gin (words);

create table public.settings (
  owner uuid not null default aichat.owner(),
  name text not null,
  value json not null,
  primary key (owner, name)
);
