"""One page."""


def render(results):
    return "<html></html>"
