"""A command of `zoo`: TensorFlow is imported when its options have been parsed, not for help or wrong options."""

from typer.core import TyperCommand

from recipes.cli.output import import_tensorflow


class TensorFlowCommand(TyperCommand):
    """A command whose function needs TensorFlow."""

    def invoke(self, ctx):
        """Imports TensorFlow, without its messages, and runs the command."""
        # The strategy for several workers must come before the devices
        import_tensorflow(devices=ctx.params.get("distribute") != "multi_worker")
        return super().invoke(ctx)
