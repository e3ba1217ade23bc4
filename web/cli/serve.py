"""`rail serve`: the service, under gunicorn."""

import click

from web.cli.options import engine_options, home_option, json_option, log_options, option, settings_from
from web.cli.output import Exit


@click.command()
@option("--host", help="Address to listen on. [default: 127.0.0.1]")
@option("--port", type=click.IntRange(1, 65535), help="Port to listen on. [default: 8080]")
@option("--request-threads", type=click.IntRange(1, 512), default=64, show_default=True, help="Requests at one time.")
@option("--origin", help="Name of a new log: the address it will have for ever, without https://.")
@option(
    "--policy", type=click.Path(dir_okay=False), help="tlog-policy file with the witnesses to ask for cosignatures."
)
@option("--log-signer", metavar="URI", help="The log's key is in a PKCS#11 token: pkcs11:token=...;object=...?...")
@option("--log-ml-dsa", is_flag=True, help="Sign checkpoints with a second key too, ML-DSA-44.")
@engine_options
@log_options
@home_option
@json_option
def serve(
    host: str | None,
    port: int | None,
    request_threads: int,
    origin: str | None,
    policy: str | None,
    log_signer: str | None,
    log_ml_dsa: bool,
    model: str | None,
    threads: int | None,
    kernels: str | None,
    log_format: str,
    log_level: str | None,
    home: str | None,
    as_json: bool,
) -> int:
    """Serve the pages, the OpenAI-compatible API and the log, until Ctrl-C or SIGTERM.

    The first start makes keys and a log in HOME. One process serves all; put a TLS proxy before it on a public address.

    \b
    Examples:
      rail serve
      rail serve --home /var/lib/rail --origin log.example.org --port 9000 --log-format json
      curl -s http://127.0.0.1:8080/v1/completions -H 'content-type: application/json' \\
           -d '{"model": "NAME", "prompt": "Once upon a time", "seed": 7}'
    """
    from web.cli.server import run_server
    from web.logs import configure

    settings = settings_from(
        host=host,
        port=port,
        origin=origin,
        policy=policy,
        log_signer=log_signer,
        log_ml_dsa=log_ml_dsa,
        home=home,
        model=model,
        threads=threads,
        kernels=kernels,
    )
    configure(log_format, log_level)
    run_server(settings, request_threads, as_json)
    return Exit.OK
