"""The life of a message between inbox and channel: one async generator of typed events.

Order: persona (it names the word lists) -> memory and language -> commands and hand-off -> rate
limit -> moderate in -> retrieve -> compose -> generate -> moderate out. Closing the generator stops
the model's HTTP request. Without a model, or when it fails, knowledge answers; the customer always
gets a sentence.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from config.persona import is_open
from config.settings import LimitSettings
from core.compose import Question, compose
from core.draft import Draft
from core.knowledge.index import Match
from core.knowledge.quote import quote, sources_of
from core.knowledge.store import Knowledge
from core.language import detect_language, nearest_language
from core.limits import Limiter
from core.memory import History, Memory
from core.metrics import Metrics
from core.moderation.hits import Hit
from core.personas import Personas
from core.redis import Effect
from core.replies import Delta, Done, Origin, Outcome, Reply, ReplyEvent, Retract, Usage
from core.scene import Background, Request, Scene, remembered_question
from core.turn import Command, Turn
from inference.client.chat import Finish, Prompt
from inference.client.errors import InferenceError
from inference.client.model_client import ModelClient
from inference.client.tokens import estimate_tokens

log = structlog.get_logger()

PASSAGES = 4
SHORT_QUESTION = 12
"""Characters below which a question may lean on the one before it."""


class Pipeline:
    """Answers turns."""

    def __init__(  # noqa: PLR0913 - the collaborators of the one place where they meet
        self,
        *,
        personas: Personas,
        knowledge: Knowledge,
        memory: Memory,
        model: ModelClient,
        limiter: Limiter,
        metrics: Metrics,
        limits: LimitSettings,
        context_tokens: int,
    ) -> None:
        self._personas = personas
        self._knowledge = knowledge
        self._memory = memory
        self._model = model
        self._limiter = limiter
        self._metrics = metrics
        self._limits = limits
        self._context_tokens = context_tokens

    def inquiry(self, conversation: str) -> list[Effect]:
        """The effects that say what `background` reads; they count against the rate."""
        limits = self._limits
        return [
            *self._memory.read(conversation),
            self._limiter.take(conversation, limits.per_minute, limits.burst),
        ]

    def background(self, conversation: str, said: Sequence[Any]) -> Background:
        """What `answer` needs to know."""
        raw, documents, wait = said
        history = self._memory.history(conversation, raw, documents)
        return Background(history, is_too_fast=wait > 0)

    async def recall(self, conversation: str) -> History:
        """A conversation's memory alone; raises StoreUnavailableError."""
        return await self._memory.load(conversation)

    async def answer(self, request: Request) -> AsyncGenerator[ReplyEvent, None]:
        """Answer a turn: deltas and retractions, then exactly one Done."""
        turn = request.turn
        scene = self._scene(request)
        if turn.command:
            yield Done(self._obey(turn.command, scene))
            return
        if request.background.is_too_fast:
            yield Done(scene.sentence("busy", Outcome.REFUSED))
            return
        inbound = scene.voice.matcher.filter(turn.text)
        hits = self._count("in", inbound.hits)
        if inbound.refused or self._holds_refused(request, scene):
            yield Done(replace(scene.sentence("refusal", Outcome.REFUSED), hits=hits))
            return
        note = self._note_on_files(request, scene)
        if note and not turn.text:
            yield Done(scene.reply(note, Outcome.ANSWERED))
            return
        scene = replace(scene, question=inbound.text)
        async with aclosing(self._speak(request, scene, self._find(scene))) as events:
            async for event in events:
                if isinstance(event, Done) and (note or hits):
                    text = "\n\n".join(filter(None, [event.reply.text, note]))
                    yield Done(replace(event.reply, text=text, hits=hits + event.reply.hits))
                else:
                    yield event

    def apology(self, turn: Turn) -> Reply:
        """What a customer gets when the turn cannot be answered at all."""
        voice = self._personas.route(turn.address)
        language = detect_language(turn.text, voice.persona.languages, None)
        return Scene(voice, History(), language, "").sentence("apology", Outcome.FAILED)

    def abandoned(self, request: Request) -> Reply:
        """What stands for an answer that nobody waited for."""
        return self._scene(request).reply("", Outcome.ABANDONED)

    def held(self, request: Request) -> Reply:
        """What stands for the answer to a customer whom a person has."""
        return self._scene(request).reply("", Outcome.HANDED_OVER)

    def stopped(self, request: Request, shown: str) -> Reply:
        """What stands for an answer that the customer stopped, after what was shown of it."""
        origin = Origin.MODEL if shown else Origin.FIXED
        return replace(self._scene(request).reply(shown, Outcome.STOPPED, origin), is_cut=True)

    def _scene(self, request: Request) -> Scene:
        turn, text, history = request.turn, request.turn.text, request.background.history
        voice = request.voice or self._personas.route(turn.address)
        if turn.is_again:
            history = history.before(remembered_question(turn, voice))
        language = voice.persona.card.language.reply
        if language == "customer":
            client = nearest_language(turn.messages[-1].language, voice.persona.languages)
            hint = history.language or client
            # "/start" is what a button sends: it tells nothing of the customer's language.
            said = "" if text.startswith("/") else text
            language = detect_language(said, voice.persona.languages, hint)
        return Scene(voice, history, language, text)

    def _obey(self, command: Command, scene: Scene) -> Reply:
        persona = scene.voice.persona
        match command:
            case Command.FRESH:
                return replace(scene.sentence("fresh", Outcome.ANSWERED), fresh=True)
            case Command.PERSON:
                return self._hand_over(scene)
            case Command.GREET:
                return scene.reply(persona.greeting(scene.language), Outcome.ANSWERED)
            case Command.HELP:
                lines = [f"- {question}" for question in persona.suggestions(scene.language)]
                text = "\n\n".join(
                    filter(None, [persona.sentence("help", scene.language), "\n".join(lines)])
                )
                return scene.reply(text, Outcome.ANSWERED)

    def _holds_refused(self, request: Request, scene: Scene) -> bool:
        """Whether a document that came along holds what is refused."""
        filtered = [
            scene.voice.matcher.filter(document.text) for document in request.enclosures.documents
        ]
        for found in filtered:
            self._count("in", found.hits)
        return any(found.refused for found in filtered)

    def _note_on_files(self, request: Request, scene: Scene) -> str:
        """The sentence on files that nobody here can read; without a model that is all of them."""
        enclosures = request.enclosures
        unread = enclosures.unread or (enclosures.documents and not self._model.configured)
        return scene.voice.persona.sentence("unreadable", scene.language) if unread else ""

    def _hand_over(self, scene: Scene) -> Reply:
        hours = scene.voice.persona.card.hours
        is_staffed = hours is None or is_open(hours, datetime.now(UTC))
        return scene.sentence("handoff" if is_staffed else "off_hours", Outcome.HANDED_OVER)

    def _find(self, scene: Scene) -> Sequence[Match]:
        index = self._knowledge.index(scene.voice.persona.card.knowledge)
        matches = index.search(scene.question, PASSAGES, scene.language)
        leans = len(scene.question) <= SHORT_QUESTION and scene.history.exchanges
        if leans and not (matches and matches[0].good):
            before = scene.history.exchanges[-1].question
            return index.search(f"{before}\n{scene.question}", PASSAGES, scene.language)
        return matches

    async def _speak(
        self, request: Request, scene: Scene, matches: Sequence[Match]
    ) -> AsyncGenerator[ReplyEvent, None]:
        """The model's answer, or the one from knowledge when there is no model or it fails."""
        shown = False
        if self._model.configured:
            try:
                async with aclosing(self._generate(request, scene, matches)) as events:
                    async for event in events:
                        shown = shown or isinstance(event, Delta)
                        yield event
                        if isinstance(event, Done):
                            return
            except InferenceError as error:
                kind = type(error).__name__
                self._metrics.model_errors.labels(kind).inc()
                log.warning(
                    "answering without the model",
                    error=kind,
                    message=request.turn.messages[0].digest,
                )
            if shown:
                yield Retract()
        yield Done(self._from_knowledge(scene, matches))

    async def _generate(
        self, request: Request, scene: Scene, matches: Sequence[Match]
    ) -> AsyncGenerator[ReplyEvent, None]:
        """Stream the model's answer; ends without Done when the model said nothing."""
        prompt = self._prompt(request, scene, matches)
        draft = Draft(scene.voice.matcher, scene.voice.persona.card.answer.max_characters)
        finish = Finish("stop")
        async with aclosing(self._model.stream(prompt)) as stream:
            async for piece in stream:
                if isinstance(piece, Finish):
                    finish = piece
                    break
                if text := draft.feed(piece.text):
                    yield Delta(text)
                if draft.is_over:
                    break
        if rest := draft.end():
            yield Delta(rest)
        hits = self._count("out", draft.hits)
        if draft.refused:
            yield Retract()
            yield Done(replace(scene.sentence("refusal", Outcome.REFUSED), hits=hits))
        elif draft.text.strip():
            reply = scene.reply(draft.text, Outcome.ANSWERED, Origin.MODEL)
            usage = _usage(prompt, finish, draft.text)
            is_cut = draft.is_over or finish.reason == "length"
            sources = sources_of(matches)
            yield Done(replace(reply, sources=sources, usage=usage, hits=hits, is_cut=is_cut))

    def _prompt(self, request: Request, scene: Scene, matches: Sequence[Match]) -> Prompt:
        usual, wished = scene.voice.persona.card.sampling, request.enclosures.sampling
        passages = [match.passage for match in matches if match.good]
        turns = compose(
            scene.voice,
            scene.history,
            passages,
            Question(
                scene.question,
                scene.language,
                request.instructions,
                tuple(dict.fromkeys((*request.enclosures.documents, *scene.history.documents))),
                request.enclosures.person,
            ),
            self._context_tokens,
        )
        return Prompt(
            turns,
            session=request.turn.address.key,
            max_tokens=min(usual.max_tokens, wished.max_tokens or usual.max_tokens),
            temperature=usual.temperature if wished.temperature is None else wished.temperature,
            top_p=usual.top_p if wished.top_p is None else wished.top_p,
            adapter=scene.voice.persona.card.adapter or "",
        )

    def _from_knowledge(self, scene: Scene, matches: Sequence[Match]) -> Reply:
        if not matches or not matches[0].good:
            return scene.sentence("unknown", Outcome.ANSWERED)
        sure = matches[0].sure
        used = matches[:1] if sure else [match for match in matches if match.good]
        limit = scene.voice.persona.card.answer.max_characters
        text = used[0].passage.text if sure else quote(used, limit, scene.language)
        outbound = scene.voice.matcher.filter(text)
        hits = self._count("out", outbound.hits)
        if outbound.refused:
            return replace(scene.sentence("refusal", Outcome.REFUSED), hits=hits)
        origin = Origin.FAQ if sure else Origin.PASSAGES
        reply = scene.reply(outbound.text, Outcome.ANSWERED, origin)
        return replace(reply, sources=sources_of(used), hits=hits)

    def _count(self, direction: str, hits: Sequence[Hit]) -> tuple[str, ...]:
        for hit in hits:
            self._metrics.moderation.labels(direction, hit.category, hit.action).inc()
        return tuple(sorted({f"{direction}:{hit.category}" for hit in hits}))


def _usage(prompt: Prompt, finish: Finish, answer: str) -> Usage:
    """What the endpoint counted, else estimates."""
    asked, answered = finish.prompt_tokens, finish.completion_tokens
    return Usage(
        sum(estimate_tokens(turn.text) for turn in prompt.turns) if asked is None else asked,
        estimate_tokens(answer) if answered is None else answered,
    )
