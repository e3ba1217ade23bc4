"""A record with a known text, so that the tests know which passage must be marked."""

import time

from ledger.content import Content
from ledger.index import echo_permille, fingerprint_root
from ledger.log import Entry
from ledger.statement import GenerationStatement, Sampling
from web.services import ENGINE, Services

PROMPT = "Tell me about the keeper of the lighthouse and the night of the great storm over the northern islands."
STORY = (
    "The keeper of the lighthouse counted nine ships \U0001f6a2 before the storm. She lit every lamp that she owned, "
    "and when the oil ran low she burned the old chairs one after another until the harbour was bright. In the morning "
    "eight captains climbed the stairs to thank her, and the ninth sent a letter from far away. "
    "灯塔的守护者在暴风雨的夜里数着每一艘归来的船。"
)
EXCERPT = (
    "when the oil ran low she burned the old chairs one after another until the harbour was bright. "
    "In the morning eight captains climbed the stairs"
)


def log_story(services: Services) -> Entry:
    """Log the story as a run that another engine made and this operator attests."""
    salt = bytes(range(32))
    content = Content(PROMPT, (1,), salt, STORY.encode(), (2, 3), salt, (), "public")

    def statement(counter: int) -> GenerationStatement:
        return GenerationStatement(
            time=int(time.time()),
            counter=counter,
            model_root=services.engine.model.root,
            engine=ENGINE,
            prompt_commitment=content.prompt_commitment(),
            output_commitment=content.output_commitment(),
            prompt_tokens=1,
            output_tokens=2,
            sampling=Sampling(temperature_micro=0, top_k=0, top_p_micro=1_000_000, seed=0, max_tokens=2),
            finish="stop",
            echo_permille=echo_permille(PROMPT, STORY),
            fingerprint_root=fingerprint_root(STORY, salt),
            assurance="attested",
        )

    return services.signer.submit(statement, content)
