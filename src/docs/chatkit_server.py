"""A small ChatKit server in Python, for the guide: it keeps chats in memory, has no model, and answers for the user
alone whom the gateway's token names. Copy this file and verify_chatkit_token.py.

    pip install openai-chatkit fastapi uvicorn "pyjwt[crypto]"
    uvicorn chatkit_server:app --port 8000
"""
from dataclasses import dataclass, field
from datetime import datetime

from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    Page,
    ThreadItem,
    ThreadItemDoneEvent,
    ThreadMetadata,
)
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from verify_chatkit_token import ChatKitContext, chatkit_context


@dataclass
class Chat:
    owner: str
    thread: ThreadMetadata
    items: list[ThreadItem] = field(default_factory=list)


class MemoryStore(Store[ChatKitContext]):
    """Replace it by your database. Every method asks whose the thread is."""

    def __init__(self):
        self.chats: dict[str, Chat] = {}

    def chat(self, thread_id, context):
        chat = self.chats.get(thread_id)
        if chat is None or chat.owner != context.user:
            raise NotFoundError(f"There is no thread {thread_id}.")
        return chat

    async def load_thread(self, thread_id, context):
        return self.chat(thread_id, context).thread.model_copy(deep=True)

    async def save_thread(self, thread, context):
        kept = ThreadMetadata.model_validate(thread.model_dump(exclude={"items"}))
        if thread.id in self.chats:
            self.chat(thread.id, context).thread = kept
        else:
            self.chats[thread.id] = Chat(context.user, kept)

    async def delete_thread(self, thread_id, context):
        self.chat(thread_id, context)
        del self.chats[thread_id]

    async def load_threads(self, limit, after, order, context):
        own = [chat.thread for chat in self.chats.values() if chat.owner == context.user]
        return page_of(own, limit, after, order)

    async def load_thread_items(self, thread_id, after, limit, order, context):
        return page_of(self.chat(thread_id, context).items, limit, after, order)

    async def add_thread_item(self, thread_id, item, context):
        self.chat(thread_id, context).items.append(item)

    async def save_item(self, thread_id, item, context):
        chat = self.chat(thread_id, context)
        chat.items = [one for one in chat.items if one.id != item.id] + [item]

    async def load_item(self, thread_id, item_id, context):
        for item in self.chat(thread_id, context).items:
            if item.id == item_id:
                return item
        raise NotFoundError(f"There is no item {item_id}.")

    async def delete_thread_item(self, thread_id, item_id, context):
        chat = self.chat(thread_id, context)
        chat.items = [one for one in chat.items if one.id != item_id]

    async def save_attachment(self, attachment, context):
        raise NotFoundError("This server takes no attachments.")

    async def load_attachment(self, attachment_id, context):
        raise NotFoundError("This server has no attachments.")

    async def delete_attachment(self, attachment_id, context):
        pass


def page_of(rows, limit, after, order):
    rows = rows[::-1] if order == "desc" else rows
    start = next((at + 1 for at, row in enumerate(rows) if row.id == after), 0)
    data = rows[start : start + limit]
    more = start + limit < len(rows)
    return Page(data=data, has_more=more, after=data[-1].id if more and data else None)


class Assistant(ChatKitServer[ChatKitContext]):
    """Replace its answer by a run of your model."""

    async def respond(self, thread, input_user_message, context):
        said = "".join(part.text for part in input_user_message.content) if input_user_message else ""
        yield ThreadItemDoneEvent(
            item=AssistantMessageItem(
                id=self.store.generate_item_id("message", thread, context),
                thread_id=thread.id,
                created_at=datetime.now(),
                content=[AssistantMessageContent(text=f"You said: {said}")],
            )
        )
        if thread.title is None:
            thread.title = said[:40]


app = FastAPI()
server = Assistant(MemoryStore())


@app.exception_handler(NotFoundError)
async def not_found(request, error): return JSONResponse({"detail": "Not found"}, status_code=404)


@app.post("/chatkit")
async def chatkit(request: Request, context: ChatKitContext = Depends(chatkit_context)):
    result = await server.process(await request.body(), context)
    if isinstance(result, StreamingResult):
        return StreamingResponse(result, media_type="text/event-stream")
    return Response(result.json, media_type="application/json")
