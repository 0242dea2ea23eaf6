"""Asks a service as programs do that were written for OpenAI's: ADDRESS KEY. Ends with 77 where the client is not installed."""

import json
import sys

try:
    import openai
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(77)

address, key = sys.argv[1:]
client = openai.OpenAI(base_url=address, api_key=key, max_retries=0, timeout=60)

assert [model.id for model in client.models.list()] == ["tiny"]
assert client.models.retrieve("tiny").id == "tiny"

asked = [{"role": "system", "content": "Documentation."}, {"role": "user", "content": "Returns the number of elements " * 12}]
whole = client.chat.completions.create(model="tiny", messages=asked, max_completion_tokens=16, temperature=0)
assert whole.choices[0].message.role == "assistant"
assert whole.choices[0].finish_reason in ("length", "stop")
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens

pieces = list(
    client.chat.completions.create(
        model="tiny", messages=asked, max_completion_tokens=16, temperature=0, stream=True, stream_options={"include_usage": True}
    )
)
text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
assert text == whole.choices[0].message.content, (text, whole.choices[0].message.content)
assert pieces[-1].usage.prompt_tokens_details.cached_tokens >= 48, pieces[-1].usage

several = client.completions.create(model="tiny", prompt=["Creates a", "Returns"], n=2, max_tokens=5, seed=3)
assert [choice.index for choice in several.choices] == [0, 1, 2, 3]

made = client.chat.completions.create(
    model="tiny", messages=[{"role": "user", "content": "{"}], response_format={"type": "json_object"}, max_tokens=300, seed=1
)
if made.choices[0].finish_reason == "stop":
    assert isinstance(json.loads(made.choices[0].message.content), dict)

for ask, wanted in [
    (lambda: client.completions.create(model="other", prompt="a"), openai.NotFoundError),
    (lambda: client.completions.create(model="tiny", prompt="word " * 3000), openai.BadRequestError),
    (lambda: client.with_options(api_key="wrong").models.list(), openai.AuthenticationError),
]:
    try:
        ask()
    except wanted as refused:
        assert refused.body["message"], refused
    else:
        raise AssertionError(f"{wanted} was expected")

print("all is well")
