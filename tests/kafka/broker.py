#!/usr/bin/python3
"""A real Apache Kafka broker for the tests, and for trying Weir by hand.

Kafka's own jars come from Maven Central, at the version that pom.xml pins, into a cache outside
the tree. A broker is one KRaft node on loopback with free ports, 512 MB of heap and a temporary
directory of its own, which goes when it stops.

    with Broker() as broker:                # up, without topics: nothing creates them by itself
        broker.create_topics()              # those of Weir
        broker.tool("org.apache.kafka.tools.TopicCommand", "--describe")

    broker.py fetch                         # jars only
    broker.py run [--port N]                # broker with Weir's topics, until Ctrl-C

Needs java, mvn and kcat; without them Missing is raised and the command line exits with 77.
"""

import argparse
import base64
import contextlib
import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
POM = HERE / "pom.xml"

DAY_MS = 24 * 3600 * 1000

# The five topics, after kafka.topic_prefix, and what each is created with. A record lives for at most retention.ms +
# segment.ms: together the 90 days which a policy may not exceed. Weir stamps rows itself
# (CreateTime), so that a replayed or delayed row keeps its own age.
COMMON = {
    "message.timestamp.type": "CreateTime",
    "retention.ms": str(89 * DAY_MS),
    "segment.ms": str(DAY_MS),
}
DELETE = {"cleanup.policy": "delete", **COMMON}
COMPACT = {"cleanup.policy": "compact,delete", **COMMON}
PREFIX = "weir."
TOPICS = {
    "flows": DELETE,
    "usage": DELETE,
    "health": DELETE,
    "erasures": DELETE,
    "clients": COMPACT,
}

# Who may log in at the second listener (SASL/PLAIN), for what a refused producer is told.
SASL_USER = "weir"
SASL_PASSWORD = "correct"

START_SECONDS = 40
STOP_SECONDS = 15
SKIPPED = 77


class Missing(Exception):
    """A program that the harness needs is not installed."""


class BrokerError(Exception):
    """Kafka, or one of its tools, did not do what it was asked."""


def kafka_version():
    return re.search(r"<kafka\.version>([^<]+)<", POM.read_text()).group(1)


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "weir" / f"kafka-{kafka_version()}"


def require(*programs):
    packages = {"java": "default-jre-headless", "mvn": "maven", "kcat": "kcat"}
    missing = [p for p in programs if shutil.which(p) is None]
    if missing:
        names = " ".join(packages[p] for p in missing)
        raise Missing(f"not installed: {', '.join(missing)} (apt-get install {names})")


def fetch_jars():
    """The folder with Kafka's jars; fetched once for each version of pom.xml, then reused."""
    require("java")
    jars = cache_dir()
    stamp = jars / "pom.xml"
    wanted = POM.read_bytes()
    if stamp.is_file() and stamp.read_bytes() == wanted:
        return jars
    require("mvn")
    jars.parent.mkdir(parents=True, exist_ok=True)
    with open(jars.parent / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two tests at once fetch once
        if stamp.is_file() and stamp.read_bytes() == wanted:
            return jars
        fresh = Path(tempfile.mkdtemp(prefix="fetch-", dir=jars.parent))
        try:
            done = subprocess.run(
                ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
                 f"-DoutputDirectory={fresh}"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=600)
            if done.returncode != 0:
                raise BrokerError(f"mvn could not fetch Kafka {kafka_version()}:\n{done.stdout}")
            (fresh / "pom.xml").write_bytes(wanted)  # last: with it the folder is whole
            shutil.rmtree(jars, ignore_errors=True)
            fresh.rename(jars)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return jars


def java(jars, heap, *arguments):
    return ["java", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
            f"{jars}/*", *arguments]


def free_ports(count):
    """Ports of loopback that nobody holds now. Another may take one before Kafka binds it:
    start() then tries others."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def die_with_parent():
    """In the child: the kernel ends the broker when the harness is killed outright."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def topic_commands(bootstrap, prefix):
    """The arguments for TopicCommand that make Weir's topics, one list a topic."""
    for name, settings in TOPICS.items():
        name = prefix + name
        command = ["--bootstrap-server", bootstrap, "--create", "--if-not-exists",
                   "--topic", name, "--partitions", "1", "--replication-factor", "1"]
        for key, value in settings.items():
            command += ["--config", f"{key}={value}"]
        yield name, command


def create_topics(bootstrap, prefix=PREFIX):
    """Makes those of Weir's topics that are not there yet, all at once: each is one JVM."""
    jars = fetch_jars()
    running = []
    for name, command in topic_commands(bootstrap, prefix):
        argv = java(jars, "128m", f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}",
                    "org.apache.kafka.tools.TopicCommand", *command)
        running.append((name, subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                               text=True, preexec_fn=die_with_parent)))
    failed = []
    for name, process in running:
        try:
            said, _ = process.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        if process.returncode != 0:
            failed.append(f"topic {name} was not created:\n{said}")
    if failed:
        raise BrokerError("\n".join(failed))


class Broker:
    """One broker. `settings` adds to or overrides lines of its server.properties; it
    listens on loopback, on `port` or a free one."""

    def __init__(self, settings=None, port=None):
        self.settings = dict(settings or {})
        self.fixed_port = port
        self.port = None
        self.sasl_port = None
        self.dir = None
        self.process = None

    @staticmethod
    def prepare():
        """All that a broker needs and that may be missing."""
        require("java", "kcat")
        return fetch_jars()

    def __enter__(self):
        self.jars = self.prepare()
        self.dir = Path(tempfile.mkdtemp(prefix="weir-kafka-"))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            if self.dir is not None:
                shutil.rmtree(self.dir, ignore_errors=True)
                self.dir = None

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def sasl_bootstrap(self):
        return f"127.0.0.1:{self.sasl_port}"

    @property
    def data(self):
        return self.dir / "data"

    @property
    def log(self):
        return self.dir / "server.log"

    def start(self):
        """First time: formats the storage. Later: the same node comes back on the same port with
        what it held."""
        if self.port is not None:
            return self._start_once()
        for attempt in range(3):
            client, self.sasl_port, controller = free_ports(3)
            self.port = self.fixed_port or client
            self._format(controller)
            try:
                return self._start_once()
            except BrokerError:
                taken = "Address already in use" in self.log.read_text(errors="replace")
                if self.fixed_port or not taken or attempt == 2:
                    raise
                shutil.rmtree(self.data, ignore_errors=True)
        return None

    def _format(self, controller_port):
        client = f"PLAINTEXT://{self.bootstrap},SASL_PLAINTEXT://{self.sasl_bootstrap}"
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "listeners": f"{client},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": client,
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map":
                "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config":
                "org.apache.kafka.common.security.plain.PlainLoginModule required "
                f'user_{SASL_USER}="{SASL_PASSWORD}";',
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data),
            # A topic that nobody made is an error that the operator must see.
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # Retention is looked at each second and not each five minutes: a row with a wrong
            # timestamp is gone while the test still looks.
            "log.initial.task.delay.ms": "500",
            "log.retention.check.interval.ms": "1000",
            **self.settings,
        }
        properties = self.dir / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One word: an id that begins with "-" would be taken for an option.
        self.tool("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c",
                  str(properties), bootstrap=False)

    def _start_once(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                java(self.jars, "512m", f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}",
                     "kafka.Kafka", str(self.dir / "server.properties")),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
                start_new_session=True,  # Ctrl-C reaches the harness, which stops the broker
                preexec_fn=die_with_parent)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise BrokerError(f"Kafka ended with {self.process.returncode} at start:\n"
                                  f"{self.tail()}")
            if self._answers():
                return
            time.sleep(0.1)
        said = self.tail()
        self.stop()
        raise BrokerError(f"Kafka does not answer after {START_SECONDS} s:\n{said}")

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        try:
            listed = subprocess.run(["kcat", "-b", self.bootstrap, "-L", "-m", "5"],
                                    stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                    timeout=15)
        except subprocess.TimeoutExpired:
            return False
        return listed.returncode == 0 and "broker 1 at" in listed.stdout

    def stop(self):
        """Asks the broker to end, and ends it when it does not. Harmless when it does not run."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()

    def tail(self, lines=30):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def tool(self, main, *arguments, bootstrap=True, stdin=None, timeout=90):
        """Runs one of Kafka's own tools, to its end; returns what it printed."""
        where = ["--bootstrap-server", self.bootstrap] if bootstrap else []
        done = subprocess.run(
            java(self.jars, "256m", f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}", main,
                 *where, *arguments),
            input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
        if done.returncode != 0:
            raise BrokerError(f"{main} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def create_topics(self, prefix=PREFIX):
        create_topics(self.bootstrap, prefix)

    def topic_settings(self):
        """{topic: {setting: value}} of what differs from the broker's defaults, as the broker
        tells it."""
        described = self.tool("org.apache.kafka.tools.TopicCommand", "--describe")
        found = {}
        for line in described.splitlines():
            match = re.match(r"Topic: (\S+)\s.*Configs: (\S*)", line)
            if match is None:
                continue
            settings = {}
            key = None
            for part in filter(None, match.group(2).split(",")):
                if "=" in part:
                    key, settings[key] = part.split("=", 1)
                elif key is not None:  # "compact,delete": the comma stood in a value
                    settings[key] += "," + part
            found[match.group(1)] = settings
        return found

    def segments(self, topic):
        """The log segments of a topic, once all that was sent stands in them."""
        return sorted(self.data.glob(f"{topic}-*/*.log"))

    def dump_batches(self, topic):
        """One dict for each record batch of a topic, as Kafka's own dump tool reads it."""
        files = ",".join(str(f) for f in self.segments(topic))
        if not files:
            return []
        dumped = self.tool("kafka.tools.DumpLogSegments", "--files", files, bootstrap=False)
        batches = []
        for line in dumped.splitlines():
            if line.startswith("baseOffset:"):
                batches.append(dict(re.findall(r"(\w+): (\S+)", line)))
        return batches


def run(port):
    def stop(signum, _):
        raise SystemExit(128 + signum)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    with Broker(port=port) as broker:
        broker.create_topics()
        print(f"Kafka {kafka_version()} at {broker.bootstrap}, data in {broker.dir}")
        print(f"topics: {' '.join(PREFIX + name for name in TOPICS)}")
        print(f"read: kcat -b {broker.bootstrap} -t weir.flows -C -e -q")
        print("Ctrl-C stops it and removes its data", flush=True)
        while broker.process.poll() is None:
            time.sleep(0.5)
        raise BrokerError(f"Kafka ended by itself:\n{broker.tail()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="fetch Kafka's jars into the cache")
    runs = commands.add_parser("run", help="a broker with Weir's topics, until Ctrl-C")
    runs.add_argument("--port", type=int, help="listen here (default: any free port)")
    topics = commands.add_parser("topics", help="make Weir's topics on a broker that runs")
    topics.add_argument("bootstrap", metavar="HOST:PORT")
    topics.add_argument("prefix", nargs="?", default=PREFIX, help="kafka.topic_prefix")
    options = parser.parse_args()
    try:
        if options.command == "fetch":
            print(fetch_jars())
        elif options.command == "topics":
            create_topics(options.bootstrap, options.prefix)
        else:
            run(options.port)
    except Missing as error:
        print(f"broker.py: SKIPPED: {error}", file=sys.stderr)
        return SKIPPED
    except BrokerError as error:
        print(f"broker.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
