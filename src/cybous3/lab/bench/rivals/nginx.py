"""nginx serving the same bytes as static files: no signatures, no index, one system call a body. The limit of a GET."""

import os

from cybous3.lab.bench.rivals.install import on_path, said_version
from cybous3.lab.bench.rivals.port import Launch, Place, Program, Rival, Shelf

# One worker, as one worker of ours; nothing logged; files kept open, as a server that is tuned for this would.
_CONF = """
worker_processes 1;
{user}daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  open_file_cache max=20000;
  default_type application/octet-stream;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {folder}/data; }}
}}
"""


def _provide(shelf: Shelf) -> Program:
    del shelf  # the system's own
    found = on_path("nginx", "nginx", "nginx-light")
    return Program((found,), said_version([found, "-v"]))


def _launch(program: Program, place: Place) -> Launch:
    (place.folder / "data").mkdir()
    conf = place.folder / "nginx.conf"
    # Started by root, its workers would become somebody who cannot look into this folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    conf.write_text(_CONF.format(folder=place.folder, port=place.port, user=user), encoding="utf-8")
    return Launch((*program.command, "-c", str(conf), "-p", str(place.folder)), place.credentials)


RIVAL = Rival("nginx", "Debian nginx-light", "n/a (static files)", _provide, _launch, writes=False)
