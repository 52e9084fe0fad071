"""How the paths of tasks are told apart."""

from starlette.convertors import StringConvertor, register_url_convertor


class TaskIdConvertor(StringConvertor):
    """Any text but the names of fixed paths, so that another method there is a 405."""

    regex = "(?!(?:stats|complete)$)[^/]+"


register_url_convertor("task_id", TaskIdConvertor())
