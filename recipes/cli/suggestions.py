"""Commands and options with a suggestion of the nearest name for a mistyped one."""

from typer.core import TyperGroup

from recipes.cli.output import import_tensorflow


class NearestNameGroup(TyperGroup):
    """The group of commands of `zoo`."""

    def resolve_command(self, ctx, args):
        """Returns the command; the error for an unknown one suggests the nearest name."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            import_tensorflow()  # which zoo imports
            from zoo.arguments import suggestion

            names = self.list_commands(ctx)
            ctx.fail(f"there is no command {name!r}.{suggestion(name, names)} Commands are {', '.join(names)}.")
        return super().resolve_command(ctx, args)
