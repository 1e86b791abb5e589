"""The web page as a channel, and what browsers ask of it.

Every path below stands under `/web/{account}`. A visitor is known by a signed cookie, or, inside
another site's page where browsers keep cookies away, by the same signed id as
`Authorization: Bearer <token>`. Requests that change something carry JSON (or bytes, for files)
and come from this server's own origin, or from one that the persona allows and then with the token
alone: a cookie of another site's page counts for nothing. Errors are JSON: `error`, and `text`
where there is a sentence to show; 401 means that `hello` must be asked anew.

`conversation` names one of the visitor's conversations, as the query `?conversation=` or a field of
the body; without it the visitor's first one, `home`, is meant. An unknown name is 404.

- `GET /hello` -> `name`, `greeting`, `suggestions` (by language), `max_characters`, `theme`
  (`accent`, `accent_dark`: `#rrggbb`), `sampling` (the persona's `temperature`, `top_p`,
  `max_tokens`, the last also the most; null where customers may not change them), `files`
  (`max_bytes`, `most` per message, `accept` for a file input; null where no files are taken). Gives
  a new visitor a cookie; with `?token=1` a `token` in the answer instead, the one of the request if
  that is good.
- `POST /messages` `{id, text, conversation?, sampling?: {temperature?, top_p?, max_tokens?},
  files?: [id], retries?: reply}` -> 202. `id` is a new UUID and makes the request safe to repeat.
  `text` may be empty with files. `retries` names the conversation's newest answer, which this one
  replaces; the page sends the question's text, sampling and files again. Of those files the ones
  that are kept no more count as read: the conversation remembers what they said.
- `GET /events` -> server-sent events from the beginning, or after `Last-Event-ID`.
- `POST /stop` `{conversation?, reply}` -> 202. Ends the answer to the question of that id; waiting
  questions can be stopped too. What was shown stays.
- `POST /votes` `{conversation?, reply, vote: "up" | "down"}` -> 202; 404 for an unknown answer.
- `POST /files?name=...&conversation=...`, the body is the file, `Content-Type:
  application/octet-stream` -> 201 `{id, name, kind, bytes, characters, is_cut}`; 413 too large, 415
  or 422 with `text` where it cannot be read, 429 or 503 when too many are read. `kind` is text,
  pdf or docx, told by the content.
- `GET /conversations` -> `{conversations: [{id, title, began, last}]}`, newest first; times are
  seconds since 1970.
- `POST /conversations` -> 201 `{id}`: a new conversation, listed from its first message on.
- `DELETE /conversations/{id}` -> 204: its events, memory and files are gone; 409 while an answer
  is being given (stop it first).
- `GET /export?conversation=...&format=markdown|json` -> the conversation as a file.

Events are JSON with a `type`; an answer's `reply` is the id of the (first) question it answers:

- `question`: `id`, `text`, `at`; `files` (`id`, `name`, `kind`, `bytes`) and `retries` if there are
  any.
  The question waits (queued) until `thinking`, `start` or `done`.
- `thinking`: `reply`. A worker has it, and the first words take a moment.
- `start`: `reply`. The answer begins, or begins again.
- `delta`: `reply`, `at` (code points before it), `text`.
- `retract`: `reply`. What was shown of it is taken back.
- `done`: `reply`, `text`, `sources` (`title`, `path`), `origin`, `at`, `is_cut`, `outcome`:
  `answered`, `refused`, `handed_over`, `failed` or `stopped` (then `text` may be empty).
- `fresh`: `id`. The conversation was started anew with /new.
- `vote`: `reply`, `vote`.

Outside of `/web`: `GET /` and `GET /chat/{account}` are the page; the persona's allowed origins may
frame it. `GET /static/...` are its files, the widget's script among them; the page asks for them
below `/static/{version}`, where browsers keep them.
"""
