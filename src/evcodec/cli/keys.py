"""``keygen`` and ``rekey``: keys for column groups and signatures, and who may read a stream."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import EvcodecError, InvalidArgumentError, NotPermittedError
from ..keyrecord import group_name, group_number
from .files import STDIO, check_outputs, check_place, opened_input, output_path, shown_name
from .options import force_option, json_option
from .report import report_error
from .terminal import printable, say_json

if TYPE_CHECKING:
    from ..crypto import PrivateKey

_Command = TypeVar("_Command", bound=Callable[..., Any])


def load_key(path: str) -> PrivateKey:
    """Return the private key of a file, asking for its passphrase where it has one."""
    from ..crypto import PrivateKey

    try:
        return PrivateKey.load(path)
    except InvalidArgumentError as error:
        if "passphrase:" not in str(error):
            raise
    passphrase = click.prompt(f"Passphrase of {printable(path)}", hide_input=True, err=True)
    return PrivateKey.load(path, passphrase.encode())


def _keys(_ctx: click.Context, _param: click.Parameter, paths: tuple[str, ...]) -> Any:
    return [load_key(path) for path in paths] or None


def key_option(command: _Command) -> _Command:
    """Add ``--key``."""
    return click.option(
        "--key",
        "keys",
        multiple=True,
        metavar="FILE",
        callback=_keys,
        help="Private key that opens encrypted groups; may be given several times.",
    )(command)


def encrypted_option(command: _Command) -> _Command:
    """Add ``--key`` and ``--skip-encrypted``."""
    skip = click.option(
        "--skip-encrypted",
        "without_key",
        flag_value="skip",
        default="raise",
        help="Leave out the groups that no key opens, instead of stopping there.",
    )
    return key_option(skip(command))


@click.command(
    "keygen",
    short_help="Make a key to encrypt to, or to sign with.",
    epilog="""\b
Examples:
  evcodec keygen keys.pem                 keys.pem opens, keys.pem.pub is to encrypt to
  evcodec keygen signer.pem --sign        signer.pem signs, signer.pem.pub is to check with
  evcodec keygen keys.pem --passphrase

\b
Who destroys the last copy of a private key destroys what was encrypted to it.""",
)
@click.argument("target", metavar="OUT")
@click.option("--sign", is_flag=True, help="Make an Ed25519 key that signs, instead of an X25519 key.")
@click.option("--passphrase", is_flag=True, help="Ask for a passphrase that the private key is kept under.")
@json_option
def keygen_command(target: str, sign: bool, passphrase: bool, as_json: bool) -> int:
    """Write a new private key to OUT, for its owner only, and the public one to OUT.pub, both as PEM.

    A file that exists is never written over.
    """
    from ..crypto import PrivateKey, SigningKey

    public = target + ".pub"
    check_place(target)
    for path in (target, public):
        if os.path.lexists(path):
            raise click.UsageError(f"{path}: exists already; a key is never written over")
    word = None
    if passphrase:
        word = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True).encode()
    key = SigningKey.generate() if sign else PrivateKey.generate()
    key.save(target, word)
    key.public.save(public)
    if as_json:
        say_json({"id": key.public.id, "private": target, "public": public})
    else:
        click.echo(f"{printable(target)}: private, keep it; {printable(public)}: public, {key.public.id}")
    return 0


def _recipients(to: tuple[str, ...], erased: tuple[str, ...]) -> Any:
    """Return who is to read what, of the options."""
    from ..crypto import PublicKey

    by_group: dict[int, list[PublicKey]] = {}
    of_all: list[PublicKey] = []
    for text in to:
        name, equals, path = text.partition("=")
        if equals:
            by_group.setdefault(group_number(name, "--to"), []).append(PublicKey.load(path))
        else:
            of_all.append(PublicKey.load(text))
    for name in erased:
        number = group_number(name, "--erase")
        if by_group.get(number):
            raise click.UsageError(f"--erase {name}: found --to for it too, allowed: one of both")
        by_group[number] = []
    if of_all and by_group:
        raise click.UsageError("--to: found keys for all groups and for some, allowed: one of both")
    if not of_all and not by_group:
        raise click.UsageError("found no --to and no --erase, allowed: one at least")
    return of_all or by_group


@click.command(
    "rekey",
    short_help="Wrap the keys of a stream to other people.",
    epilog="""\b
Examples:
  evcodec rekey s.evc t.evc --key old.pem --to new.pem.pub
  evcodec rekey s.evc t.evc --key old.pem --to keys=a.pem.pub --to keys=b.pem.pub
  evcodec rekey s.evc t.evc --erase keys       nobody reads the keys of t.evc any more

\b
Events are not encrypted anew: who could read a copy that was made before still can, and who has
kept a data key reads the new one too. evcodec compact --key encrypts anew. Erasing reaches OUT
only: as long as IN, a copy or a backup of it is there, its private keys open it.""",
)
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@key_option
@click.option(
    "--to",
    multiple=True,
    metavar="[GROUP=]FILE",
    help="Public key that may read all groups, or this one (pointer, keys, context, a number), in place of those before.",
)
@click.option("--erase", multiple=True, metavar="GROUP", help="Let nobody read this group of OUT any more.")
@force_option
@json_option
def rekey_command(
    source: str,
    target: str,
    keys: Any,
    to: tuple[str, ...],
    erase: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> int:
    """Write IN to OUT with its data keys wrapped to other recipients; every event and entry stays as it is.

    IN is left as it is. - is stdin or stdout.
    """
    from ..rekeying import rekey

    recipients = _recipients(to, erase)
    if as_json and target == STDIO:
        raise click.UsageError("--json: found - as OUT, allowed: a file, since both would go to stdout")
    if source != STDIO and not Path(source).exists():
        raise click.UsageError(f"{source}: no such file or folder")
    check_place(target)
    check_outputs([source], [target], force=force, only_streams=True)
    try:
        with opened_input(source) as file, output_path(target) as path:
            found = rekey(file, path, keys=keys, recipients=recipients)
    except BrokenPipeError:
        raise
    except (EvcodecError, OSError) as error:
        if isinstance(error, InvalidArgumentError) and not isinstance(error, NotPermittedError):
            raise
        report_error(source, error)
        return 1
    readers = {group_name(group): list(ids) for group, ids in found.items()}
    if as_json:
        say_json({"path": source, "target": target, "encrypted": readers})
        return 0
    told = "; ".join(f"{name}: {', '.join(ids) or 'nobody'}" for name, ids in readers.items())
    click.echo(f"{shown_name(source)}: readable by: {told}", err=target == STDIO)
    return 0
