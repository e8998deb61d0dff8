"""A WSGI application as an actor, on a public port of its own: curl gets the page, browsers too."""

import argparse
import sys

import stractory


def web_page(options):
    from html import escape

    from gevent.pywsgi import WSGIServer

    visits = 0

    def application(environ, start_response):
        nonlocal visits
        visits += 1
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        title, path = escape(options["title"]), escape(environ["PATH_INFO"])
        return [f"<h1>{title}</h1><p>Visit {visits} to {path}</p>\n".encode()]

    server = WSGIServer(("127.0.0.1", 0), application, log=None)  # never started: only its handler is used
    server.update_environ()
    return server.handle


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    with stractory.client() as strac:
        page = stractory.stream(web_page, options={"title": "Hello from an actor"})
        strac.create("web-page", page, public=True, if_exists="get")
        print(strac.endpoint("web-page").replace("tcp://", "http://"))


if __name__ == "__main__":
    try:
        main()
    except stractory.StractoryError as error:
        sys.exit(f"web_page: {error}")
