"""The `waypass-server` command line, put together: each subcommand lives in its own module under `commands`."""

import typer

from waypass_server.commands import evidence, keys, lists, network, people, reader, rules
from waypass_server.commands.backup import backup, restore
from waypass_server.commands.broker import broker, broker_password
from waypass_server.commands.bulk import export_file, import_file
from waypass_server.commands.migrate import migrate
from waypass_server.commands.serve import serve

app = typer.Typer(
    name="waypass-server",
    help="Issues passes, keeps lists, approves, publishes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve)
app.command("broker")(broker)
app.command("broker-password")(broker_password)
app.command("migrate")(migrate)
app.command("backup")(backup)
app.command("restore")(restore)
app.command("import")(import_file)
app.command("export")(export_file)
app.add_typer(keys.app, name="keys")
app.add_typer(network.app, name="network")
app.add_typer(people.app, name="people")
app.add_typer(lists.app, name="lists")
app.add_typer(reader.app, name="reader")
app.add_typer(evidence.app, name="evidence")
app.add_typer(rules.app, name="rules")
