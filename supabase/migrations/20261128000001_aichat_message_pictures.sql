-- Clips that stay because a message shows them.

-- Remove those of these clips that no voice has, and no character and no message shows: the search's
-- index knows the hash of a picture as a word.
create or replace function aichat.drop_clips(p_keys text[]) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  perform from clips where owner = aichat.owner() and key = any (p_keys) order by key for update;
  delete from clips c where owner = aichat.owner() and key = any (p_keys)
    and not exists (
      select from voices v where v.owner = c.owner and c.key in (v.audio_path, v.text_path))
    and not exists (
      select from characters w where w.owner = c.owner
        and ('/images/' || c.key = w.image_url or '/images/' || c.key = any (w.images)))
    and not exists (
      select from messages m where m.owner = c.owner and m.words @> array[left(c.key, 64)]);
end $$;

create or replace function public.aichat_version() returns text
language sql immutable set search_path = '' as $$ select '20261128000001' $$;
