"""The `openai` library for Python against a running router; started by openai_python.test.mjs."""

import asyncio
import json
import os
import unittest

import openai
from pydantic import BaseModel

EXPECTED = json.loads(os.environ["EXPECTED"])
SETTINGS = {"base_url": os.environ["BASE_URL"], "api_key": os.environ["API_KEY"], "max_retries": 0, "timeout": 30}
MESSAGES = [{"role": "user", "content": "Weather in Zürich?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}


class City(BaseModel):
    city: str
    population: int
    tags: list[str]


class Chat(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(**SETTINGS)
        self.addCleanup(self.client.close)

    def test_whole(self):
        answer = self.client.chat.completions.create(model="p/chat", messages=MESSAGES)
        self.assertEqual(answer.choices[0].message.content, EXPECTED["text"])
        self.assertEqual(answer.usage.completion_tokens, 40)

    def test_streamed(self):
        stream = self.client.chat.completions.create(model="p/chat", messages=MESSAGES, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        self.assertEqual(text, EXPECTED["text"])

    def test_streamed_with_usage(self):
        stream = self.client.chat.completions.create(
            model="p/chat", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        usage = [chunk.usage for chunk in stream if chunk.usage]
        self.assertEqual([one.completion_tokens for one in usage], [40])

    def test_async_streams_at_once(self):
        async def one(client):
            stream = await client.chat.completions.create(model="p/chat", messages=MESSAGES, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        async def several():
            async with openai.AsyncOpenAI(**SETTINGS) as client:
                return await asyncio.gather(*(one(client) for _ in range(8)))

        self.assertEqual(set(asyncio.run(several())), {EXPECTED["text"]})

    def test_tools_round_trip(self):
        first = self.client.chat.completions.create(model="p/tools", messages=MESSAGES, tools=[WEATHER])
        message = first.choices[0].message
        self.assertEqual(first.choices[0].finish_reason, "tool_calls")
        self.assertEqual(message.tool_calls[0].function.arguments, EXPECTED["tool_arguments"])
        second = self.client.chat.completions.create(
            model="p/tools",
            tools=[WEATHER],
            messages=[
                *MESSAGES,
                message.model_dump(exclude_none=True),
                {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": '{"sky":"clear"}'},
            ],
        )
        self.assertEqual(second.choices[0].message.content, EXPECTED["after_tool"])

    def test_tools_streamed(self):
        with self.client.chat.completions.stream(model="p/tools", messages=MESSAGES, tools=[WEATHER]) as stream:
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.tool_calls[0].function.arguments, EXPECTED["tool_arguments"])

    def test_structured_output(self):
        answer = self.client.chat.completions.parse(model="p/structured", messages=MESSAGES, response_format=City)
        self.assertEqual(answer.choices[0].message.parsed, City(**json.loads(EXPECTED["structured"])))

    def test_models_and_embeddings(self):
        self.assertIn("p/chat", [model.id for model in self.client.models.list()])
        self.assertEqual(self.client.models.retrieve("p/chat").id, "p/chat")
        answer = self.client.embeddings.create(model="p/embed", input=["a", "bb"])
        self.assertEqual(len(answer.data), 2)

    def test_errors(self):
        wrong = openai.OpenAI(**{**SETTINGS, "api_key": "sk-wrong"})
        self.addCleanup(wrong.close)
        with self.assertRaises(openai.AuthenticationError) as caught:
            wrong.models.list()
        self.assertEqual(caught.exception.code, "invalid_api_key")
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.chat.completions.create(model="no/such", messages=MESSAGES)
        self.assertEqual(caught.exception.code, "model_not_found")
        with self.assertRaises(openai.BadRequestError):
            self.client.chat.completions.create(model="p/refused", messages=MESSAGES)
        with self.assertRaises(openai.RateLimitError):
            self.client.chat.completions.create(model="p/limited", messages=MESSAGES)

    def test_broken_stream_raises(self):
        stream = self.client.chat.completions.create(model="p/cut", messages=MESSAGES, stream=True)
        with self.assertRaises(openai.APIError):
            for _ in stream:
                pass


if __name__ == "__main__":
    unittest.main()
