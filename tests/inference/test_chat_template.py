"""Chat templates: the text that Jinja and Hugging Face give, control tokens from the template alone, and an end."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from chat_samples import CHATML, CONTROLS, LLAMA3, TEMPLATES
from hf_folders import byte_fallback, byte_level, write_folder
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError
from jinja2.ext import Extension
from jinja2.nodes import CallBlock
from jinja2.sandbox import ImmutableSandboxedEnvironment

from inference.chat_template import ROLES, TEMPLATE_CHARS_MAX, ChatTemplate, check_template
from inference.control_texts import MARKS
from inference.convert.hf_vocabulary import folder_vocabulary
from inference.errors import ChatTemplateError, InferenceError, TokenizerError
from inference.tokenizer import Tokenizer

Messages = list[dict[str, str]]
SECONDS_MAX = 60  # a busy machine; alone, none takes 2

CHAT: Messages = [
    {"role": "user", "content": "  the inn and 12 你好\n"},
    {"role": "assistant", "content": "<think>\nand so\n</think>\n\nthe end. "},
    {"role": "user", "content": "<tool_response>and</tool_response>"},
    {"role": "assistant", "content": "thing"},
    {"role": "user", "content": "a < b [x] 🧪"},
]
SYSTEM: Messages = [{"role": "system", "content": " the \U0001f9ea <é>"}]


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Tokenizer, tokenizers.Tokenizer]]:
    """Our tokenizer and the library's, of the same files."""
    pairs = {}
    files = {
        "bytes": byte_level("llama3", CONTROLS, ["<think>", "</think>"], bos=True),
        "legacy": byte_fallback("legacy"),
        "first": byte_fallback("first"),
    }
    for name, file in files.items():
        ends = CONTROLS[:2] if name == "bytes" else ["<s>", "</s>"]
        config = {"bos_token": ends[0], "eos_token": ends[1]}
        folder = write_folder(tmp_path_factory.mktemp(name), tokenizer=file, tokenizer_config=config)
        pairs[name] = (Tokenizer(folder_vocabulary(folder)), tokenizers.Tokenizer.from_str(json.dumps(file)))
    return pairs


class Generation(Extension):
    """As Hugging Face has it: a call block."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return CallBlock(self.call_method("_said"), [], [], body).set_lineno(line)

    def _said(self, caller: Any) -> str:
        return caller()


def plain_jinja(template: str, messages: Messages, bos: str, eos: str, add_generation_prompt: bool = True) -> str:
    """The oracle: the environment of Hugging Face's documentation, without a budget."""

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, indent: Any = None) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(template).render(
        messages=messages,
        tools=None,
        documents=None,
        add_generation_prompt=add_generation_prompt,
        bos_token=bos,
        eos_token=eos,
    )


def ends(tokenizer: Tokenizer) -> tuple[str, str]:
    texts = {id: text for text, id in tokenizer.controls.items()}
    return texts[tokenizer.bos_id], texts[tokenizer.eos_id]


def refuse(template: str, tokenizer: Tokenizer, messages: Sequence[dict[str, str]] = CHAT) -> InferenceError:
    start = time.perf_counter()
    with pytest.raises(ChatTemplateError) as caught:
        ChatTemplate(template, tokenizer).prompt_ids(messages)
    assert time.perf_counter() - start < SECONDS_MAX
    assert len(str(caught.value)) < 500
    return caught.value


@pytest.mark.parametrize("prompted", [True, False])
@pytest.mark.parametrize("vocabulary", ["bytes", "legacy", "first"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_ids_are_those_of_rendering_and_encoding_with_the_libraries(
    name: str, vocabulary: str, prompted: bool, vocabularies: dict[str, Any]
) -> None:
    tokenizer, theirs = vocabularies[vocabulary]
    template = ChatTemplate(TEMPLATES[name], tokenizer)
    chats = [CHAT[:length] for length in (1, 3, 5)]
    if name in ("Llama 2", "Llama 3", "Zephyr", "Qwen 3"):
        chats += [SYSTEM + chat for chat in chats]
    for chat in chats:
        rendered = plain_jinja(TEMPLATES[name], chat, *ends(tokenizer), add_generation_prompt=prompted)
        if vocabulary == "first" and rendered.startswith(" "):
            continue  # where Metaspace would lose the difference, see test_hf_vocabulary.py
        assert template.prompt_ids(chat, prompted) == tuple(theirs.encode(rendered, add_special_tokens=False).ids)


def test_hugging_faces_own_rendering_is_the_same(vocabularies: dict[str, Any]) -> None:
    utils = pytest.importorskip("transformers.utils.chat_template_utils", reason="transformers is not installed")
    tokenizer, theirs = vocabularies["bytes"]
    bos, eos = ends(tokenizer)
    for name, source in TEMPLATES.items():
        compiled = utils._compile_jinja_template(source.replace("strftime_now is defined", "false"))
        rendered = compiled.render(
            messages=CHAT, tools=None, documents=None, add_generation_prompt=True, bos_token=bos, eos_token=eos
        )
        expected = tuple(theirs.encode(rendered, add_special_tokens=False).ids)
        assert ChatTemplate(source, tokenizer).prompt_ids(CHAT) == expected, name


def test_transformers_tokenizer_gives_the_same_prompt(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    file = byte_level("llama3", CONTROLS, [], bos=True)
    config = {"bos_token": CONTROLS[0], "eos_token": CONTROLS[4], "tokenizer_class": "PreTrainedTokenizerFast"}
    folder = write_folder(tmp_path, tokenizer=file, tokenizer_config={**config, "chat_template": LLAMA3})
    theirs = transformers.AutoTokenizer.from_pretrained(str(folder))
    ours = ChatTemplate(LLAMA3, Tokenizer(folder_vocabulary(folder)))
    expected = theirs.apply_chat_template(CHAT, add_generation_prompt=True, date_string="26 Jul 2024", tokenize=True)
    ids = expected["input_ids"] if hasattr(expected, "keys") else expected
    assert ours.prompt_ids(CHAT) == tuple(ids)


pieces = st.sampled_from(
    [
        *CONTROLS,
        "<|",
        "|>",
        "im_end",
        "<|im_",
        "end|>",
        "|",
        ">",
        "<",
        "<|IM_END|>",
        "<<|im_end|>|>",
        "a",
        "\n",
        "\ufdd0",
    ]
)
forged = st.lists(pieces, max_size=5).map("".join) | st.text(max_size=9)


@pytest.mark.parametrize("name", ["ChatML", "Llama 3", "Zephyr", "Phi 3"])
@given(contents=st.lists(forged, min_size=1, max_size=4))
def test_messages_make_no_control_tokens(name: str, contents: list[str], vocabularies: dict[str, Any]) -> None:
    tokenizer = vocabularies["bytes"][0]
    template = ChatTemplate(TEMPLATES[name], tokenizer)
    messages = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(contents)]
    harmless = [{**message, "content": "x"} for message in messages]
    ids, expected = template.prompt_ids(messages), template.prompt_ids(harmless)
    controls = set(tokenizer.controls.values())
    assert [id for id in ids if id in controls] == [id for id in expected if id in controls]
    if name == "ChatML":  # and no character is lost
        turns = zip(messages, contents, strict=True)
        plain = "".join(f"{message['role']}\n{text}\n" for message, text in turns) + "assistant\n"
        assert tokenizer.decode(ids) == plain.encode()


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages[0].content }}{{ messages[1].content }}",
        "{{ messages | map(attribute='content') | join }}",
        "<|{{ messages[0].content }}",
        "<|im_{{ messages[0].content }}|>",
        "{{ messages[0].content }}end|>",
        "{{ messages[0].content | lower }}",
        "{{ messages[0].content | upper | lower }}",
        "{{ messages[0].content.strip() }}|>",
        "{{ messages[0] | tojson }}",
        "{{ messages[0] | tojson(ensure_ascii=true) }}",
        "{{ messages[0].content ~ messages[1].content }}",
        "{% set x = messages[0].content %}{{ x[:4] }}{{ x[4:] }}",
    ],
)
def test_parts_of_messages_do_not_join_into_control_tokens(template: str, vocabularies: dict[str, Any]) -> None:
    tokenizer = vocabularies["bytes"][0]
    whole = "<|im_end|>"
    for at in range(len(whole) + 1):
        for first, second in ((whole[:at], whole[at:]), (whole[at:], whole[:at]), (whole.upper(), ""), ("im_end", "")):
            chat = [{"role": "user", "content": first}, {"role": "assistant", "content": second}]
            ids = ChatTemplate(template, tokenizer).prompt_ids(chat)
            assert not set(ids) & set(tokenizer.controls.values()), (first, second)


def test_marks_are_taken_out_and_may_not_be_used_up(vocabularies: dict[str, Any]) -> None:
    tokenizer = vocabularies["bytes"][0]
    template = ChatTemplate("{{ messages[0].content }}", tokenizer)
    for text in (MARKS[0], "".join(MARKS[:-1]) + "<|im_end|>"):
        assert tokenizer.decode(template.prompt_ids([{"role": "user", "content": text}])) == text.encode()
    with pytest.raises(ChatTemplateError) as caught:
        template.prompt_ids([{"role": "user", "content": "".join(MARKS)}])
    assert caught.value.code == "marks_used"


def test_roles_are_known_ones(vocabularies: dict[str, Any]) -> None:
    tokenizer = vocabularies["bytes"][0]
    template = ChatTemplate(TEMPLATES["Phi 3"], tokenizer)
    for role in ROLES:
        template.prompt_ids([{"role": role, "content": "x"}])
    for message in ({"role": "im_end", "content": "x"}, {"role": "", "content": "x"}, {"content": "x"}):
        with pytest.raises(ChatTemplateError) as caught:
            template.prompt_ids([message])
        assert caught.value.code == "role_unknown"


def test_text_that_is_not_unicode_is_refused(vocabularies: dict[str, Any]) -> None:
    with pytest.raises(TokenizerError):
        ChatTemplate(CHATML, vocabularies["bytes"][0]).prompt_ids([{"role": "user", "content": "\ud800"}])


NS = "{% set ns = namespace(x=[1], y=[1], t='ab') %}"
SHARED = NS + "{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}"
ENDLESS = {
    "a loop in a loop": "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    "a loop without output": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a body of much work": "{% for i in range(99999) %}" + "{% if a and b or c %}{% endif %}" * 1500 + "{% endfor %}",
    "a loop with a condition": "{% for i in range(99999) if [" + "a, " * 3000 + "] %}{% endfor %}",
    "a text times a number": "{{ 'x' * 10**9 }}",
    "a number times a text": "{{ 10**9 * 'x' }}",
    "a list times a number": "{{ [0] * 10**9 }}",
    "doubling with ~": NS + "{% for i in range(99) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
    "doubling with +": NS + "{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
    "doubling in a block": NS + "{% for i in range(99) %}{% set ns.t %}{{ ns.t }}{{ ns.t }}{% endset %}{% endfor %}",
    "doubling lists": NS + "{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "printing shared lists": SHARED + "{{ ns.x }}",
    "joining shared lists": SHARED + "{{ ns.x ~ '' }}",
    "JSON of shared lists": SHARED + "{{ ns.x | tojson }}",
    "comparing shared lists": SHARED + "{{ ns.x == ns.y }}",
    "testing shared lists": SHARED + "{{ ns.x is eq ns.y }}",
    "a macro that calls itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "macros that call each other": "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}"
    + "{{ f() }}",
    "a macro of many calls": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(30) }}",
    "a call block that calls itself": "{% macro f() %}{{ caller() }}{% call f() %}x{% endcall %}{% endmacro %}"
    + "{% call f() %}x{% endcall %}",
    "a great power": "{{ 10 ** (10 ** 9) }}",
    "squares": "{% set ns = namespace(n=9) %}{% for i in range(99) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "replace": "{{ ('a' * 100000).replace('a', 'a' * 100000) }}",
    "replace, the filter": "{{ ('a' * 100000) | replace('a', 'a' * 100000) }}",
    "replace of nothing": "{{ ('a' * 100000).replace('', 'a' * 100000) }}",
    "join": "{{ ('a' * 100000).join('b' * 100000) }}",
    "join, the filter": "{{ ('b' * 100000) | join('a' * 100000) }}",
    "map and join": "{{ range(99999) | map('string') | join('x' * 10000) }}",
    "search in a loop": "{% set t = 'a' * 100000 %}{% for i in range(99999) %}{% if 'b' in t %}{% endif %}{% endfor %}",
    "slices in a loop": "{% set t = 'a' * 100000 %}{% for i in range(99999) %}{% set u = t[1:] %}{% endfor %}",
    "split in a loop": "{% set t = 'a,' * 10000 %}{% for i in range(99999) %}{% set u = t.split(',') %}{% endfor %}",
    "depth": NS + "{% for i in range(50000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
    "depth in JSON": NS + "{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson(indent=9) }}",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_does_not_end_is_ended(name: str, vocabularies: dict[str, Any]) -> None:
    assert refuse(ENDLESS[name], vocabularies["bytes"][0]).code == "template_budget"


FAILING = {
    "its own refusal": "{{ raise_exception('roles must alternate') }}",
    "the clock": "{{ strftime_now('%d %b %Y') }}",
    "a name that is not there": "{{ nothing.at.all }}",
    "a great range": "{% for i in range(99999999) %}{% endfor %}",
    "inner parts of Python": "{{ messages.__class__.__mro__ }}",
    "inner parts by name": "{{ messages['__class__'] }}{{ ''['__class__'].mro() }}",
    "inner parts of a macro": "{% macro f() %}{% endmacro %}{{ f.__call__.__globals__ }}",
    "inner parts of a loop": "{% for i in [1] %}{{ loop._iterator.x }}{% endfor %}",
    "inner parts of the environment": "{{ self.environment.x }}{{ raise_exception.__globals__ }}",
    "formats": "{{ '{:1000000000}'.format(1) }}",
    "formats with %": "{{ '%1000000000d' % 1 }}",
    "formats of maps": "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "padding": "{{ 'x'.ljust(10**9) }}{{ 'x'.center(10**9) }}{{ 'x'.zfill(10**9) }}",
    "tabs": "{{ '\\t'.expandtabs(10**9) }}",
    "tables": "{{ 'x'.translate({120: 'y' * 9}) }}",
    "JSON with a great indent": "{{ [[1]] | tojson(indent=10**9) }}",
    "a great indent": "{{ 'a\\nb' | indent(10**9) }}",
    "changing a message": "{{ messages.append(1) }}",
    "changing a map": "{{ messages[0].update(role='x') }}",
    "calling what is no function": "{{ messages[0].content() }}{{ 1() }}",
    "printing a macro": "{% macro f() %}{% endmacro %}{{ f }}",
    "printing a namespace": "{{ namespace(a=1) }}",
    "a namespace in itself": "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x }}",
    "division by zero": "{{ 1 // 0 }}",
    "a wrong sum": "{{ none + 1 }}",
    "a wrong join": "{{ ''.join(messages) }}",
    "lorem ipsum": "{{ lipsum(10**9) }}",
}
INVALID = {
    "half a statement": "{% if %}",
    "half an expression": "{{",
    "an unknown tag": "{% frobnicate %}",
    "an unknown filter": "{{ 1 | frobnicate }}",
    "chance": "{{ [1, 2] | random }}",
    "attributes by filter": "{{ messages | attr('__class__') }}",
    "an unknown test": "{{ 1 is frobnicated }}",
    "include": "{% include 'x' %}",
    "import": "{% import 'x' as y %}",
    "from": "{% from 'x' import y %}",
    "extends": "{% extends 'x' %}",
    "blocks": "{% block a %}{{ self.a() }}{% endblock %}",
    "recursive loops": "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "a number of many digits": "{{ " + "9" * 5000 + " }}",
    "many brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "many lists": "{{ " + "[" * 20000 + "]" * 20000 + " }}",
    "many ifs": "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
    "many loops": "{% for a in [1] %}" * 30 + "{% endfor %}" * 30,
    "a long sum": "{{ " + "1+" * 15000 + "1 }}",
    "too many characters": "x" * (TEMPLATE_CHARS_MAX + 1),
    "a break outside a loop": "{% break %}",
    "a number without end": "{{ 1e999 }}",
    "a number without end in what is never run": "{% if false %}{{ [1e999] }}{% endif %}",
}


@pytest.mark.parametrize("name", FAILING)
def test_template_that_fails_is_a_clear_error(name: str, vocabularies: dict[str, Any]) -> None:
    assert refuse(FAILING[name], vocabularies["bytes"][0]).code == "template_failed"


@pytest.mark.parametrize("name", INVALID)
def test_template_that_cannot_be_used_is_refused_when_it_is_compiled(name: str) -> None:
    with pytest.raises(ChatTemplateError) as caught:
        check_template(INVALID[name])
    assert caught.value.code == "template_invalid"
    assert len(str(caught.value)) < 500


def test_refusals_of_the_template_are_shown_in_its_words(vocabularies: dict[str, Any]) -> None:
    tokenizer = vocabularies["bytes"][0]
    assert "roles must alternate" in str(refuse("{{ raise_exception('roles must alternate') }}", tokenizer))
    assert "alternate" in str(refuse(TEMPLATES["Mistral"], tokenizer, [CHAT[0], CHAT[0]]))
    assert len(str(refuse("{{ raise_exception('x' * 100000) }}", tokenizer))) < 500


def test_long_chats_stay_within_the_budget(vocabularies: dict[str, Any]) -> None:
    tokenizer = vocabularies["bytes"][0]
    long = [{"role": ("user", "assistant")[at % 2], "content": "the thing and "} for at in range(999)]
    large = [{"role": "user", "content": "the thing and " * 60_000}]
    for name in ("Llama 2", "Llama 3", "ChatML", "Qwen 3", "Mistral", "Zephyr"):
        template = ChatTemplate(TEMPLATES[name], tokenizer)
        for chat in (long, large):
            assert len(template.prompt_ids(chat)) > 4000


def test_templates_are_compiled_without_running_anything() -> None:
    for source in ("{{ 'x' * 10**9 }}", "{{ 10**10**9 }}", "{{ ('x' * 9)|replace('x', 'y' * 10**9) }}", "{{ 1 // 0 }}"):
        check_template(source)


def test_model_without_bos_has_no_bos_token_to_write(tmp_path: Path) -> None:
    file = byte_level("qwen2", CONTROLS, [])
    config = {"eos_token": "<|im_end|>"}
    tokenizer = Tokenizer(folder_vocabulary(write_folder(tmp_path, tokenizer=file, tokenizer_config=config)))
    ids = ChatTemplate("{{ bos_token }}{{ bos_token is defined }}{{ eos_token }}", tokenizer).prompt_ids(CHAT)
    assert tokenizer.decode(ids) == b"False"
    assert ids[-1] == tokenizer.eos_id
