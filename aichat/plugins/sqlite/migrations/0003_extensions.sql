-- Free JSON on a message: its versions, what it cost, which tools it used.

alter table messages add column extensions text not null default '{}' check (json_valid(extensions));
