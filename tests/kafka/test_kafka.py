#!/usr/bin/python3
"""Weir against a real Kafka: every row once, as the file exporter wrote it; keys, times and
compression as designed; and what the operator is told when the cluster is away or refuses.

    test_kafka.py --weir PATH-OF-WEIR [--capture FILE] [unittest's options]

Reads with kcat and with Google's own protobuf library, by the weir.proto that weir itself prints.
Exits with 77, loudly, where java, mvn, kcat, protoc or python3-protobuf is missing.
"""

import argparse
import collections
import concurrent.futures
import datetime
import functools
import http.server
import importlib
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
from pathlib import Path

from broker import (DAY_MS, PREFIX, SASL_PASSWORD, SASL_USER, SKIPPED, TOPICS, Broker, BrokerError,
                    Missing, require)

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import secrets_of
from finder import Finder, vocabulary

ROOT = HERE.parent.parent
SEED = "20261123"
RECORDS = {
    "flow": "flows",
    "client": "clients",
    "usage": "usage",
    "health": "health",
    "erasure": "erasures",
}

options = argparse.Namespace()
shared = argparse.Namespace(broker=None, work=None)


def setUpModule():
    shared.work = tempfile.TemporaryDirectory(prefix="weir-test-kafka-")
    unittest.addModuleCleanup(shared.work.cleanup)
    shared.broker = Broker()
    shared.broker.__enter__()
    unittest.addModuleCleanup(shared.broker.__exit__)
    shared.broker.create_topics()


@functools.cache
def proto():
    """The schema that Weir prints, as a Python module."""
    folder = Path(shared.work.name)
    schema = subprocess.run([options.weir, "schema", "proto"], check=True, capture_output=True,
                            timeout=30)
    (folder / "weir.proto").write_bytes(schema.stdout)
    subprocess.run(["protoc", f"--proto_path={folder}", f"--python_out={folder}", "weir.proto"],
                   check=True, timeout=30)
    sys.path.insert(0, str(folder))
    return importlib.import_module("weir_pb2")


# -- Kafka's messages -------------------------------------------------------------------------


Message = collections.namedtuple("Message", "key value time_ms offset")


def consume(topic, broker=None):
    """All messages of a topic, by kcat: sizes in a line, then key and value as they are."""
    broker = broker or shared.broker
    listed = subprocess.run(
        ["kcat", "-b", broker.bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q",
         "-X", "topic.metadata.refresh.interval.ms=1000", "-f", "%K %S %T %o\n%k%s"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True).stdout
    messages = []
    at = 0
    while at < len(listed):
        end = listed.index(b"\n", at)
        key_len, value_len, time_ms, offset = map(int, listed[at:end].split())
        at = end + 1
        key = listed[at:at + key_len] if key_len >= 0 else None
        at += max(key_len, 0)
        value = listed[at:at + value_len] if value_len >= 0 else None
        at += max(value_len, 0)
        messages.append(Message(key or None, value, time_ms, offset))
    return messages


def delimited(value):
    """The protobuf messages of a Kafka message: each a varint of its length, then itself."""
    rows = []
    at = 0
    while at < len(value):
        length = shift = 0
        while True:
            byte = value[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if at + length > len(value):
            raise ValueError("a row is longer than its message")
        rows.append(value[at:at + length])
        at += length
    return rows


# -- A row as Weir's JSON has it, from Google's library: this file's own reading of the schema ----

TIMES_NS = {"start", "end", "first_seen", "last_seen", "time", "loaded_at", "from", "to",
            "requested_at", "done_at"}
TIMES_S = {"expires_at", "window_start"}
ADDRESSES = {"client_ip", "server_ip", "ip"}
MACS = {"mac", "client_mac", "server_mac"}
HEX64 = {"boot_id", "flow_id", "policy_fp"}
VISIBILITY = ["one_way", "mid_flow", "offload_suspected", "snaplen_cut", "loss_in_window"]


def rfc3339(nanoseconds):
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def scalar(field, value):
    if field.enum_type is not None:
        prefix = os.path.commonprefix([v.name for v in field.enum_type.values])
        prefix = prefix[:prefix.rindex("_") + 1]
        return field.enum_type.values_by_number[value].name[len(prefix):].lower()
    if field.name in TIMES_NS and field.type == field.TYPE_FIXED64:
        return rfc3339(value)
    if field.name in TIMES_S:
        return rfc3339(value * 10**9)
    if field.name in HEX64:
        return f"{value:016x}"
    if field.name == "visibility" and field.type == field.TYPE_UINT32:
        return [name for bit, name in enumerate(VISIBILITY) if value >> bit & 1]
    if field.type == field.TYPE_DOUBLE:
        return float(f"{value:.9g}")  # as many digits as JSON gives
    if field.type == field.TYPE_BYTES:
        if field.name in ADDRESSES:
            return socket.inet_ntop(socket.AF_INET if len(value) == 4 else socket.AF_INET6, value)
        if field.name in MACS:
            return value.hex(":")
        return value.hex()
    return value


def as_json(message):
    row = {}
    for field, value in message.ListFields():
        if field.message_type is not None and field.label == field.LABEL_REPEATED:
            row[field.name] = [as_json(entry) for entry in value]
        elif field.message_type is not None:
            row[field.name] = as_json(value)
        elif field.label == field.LABEL_REPEATED:
            row[field.name] = [scalar(field, entry) for entry in value]
        else:
            row[field.name] = scalar(field, value)
    return row


def decode(record, raw):
    message = getattr(proto(), record.capitalize())()
    message.ParseFromString(raw)
    unknown = message.UnknownFields()
    if len(unknown) > 0:
        raise ValueError(f"{record}: fields that weir.proto does not have: "
                         f"{[u.field_number for u in unknown]}")
    return {"record": record, **as_json(message)}


def canonical(row):
    """To compare two runs: when it expires counts from the start of each."""
    return json.dumps({**row, "expires_at": "expires_at" in row}, sort_keys=True)


# -- Runs of Weir --------------------------------------------------------------------------------


def yaml(settings):
    """{"kafka.brokers": "x"} as the file's nested form."""
    tree = {}
    for path, value in settings.items():
        *parents, last = path.split(".") if not isinstance(path, tuple) else path
        at = tree
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value

    def lines(node, depth):
        for key, value in node.items():
            if isinstance(value, dict):
                yield f"{'  ' * depth}{key}:"
                yield from lines(value, depth + 1)
            else:
                yield f"{'  ' * depth}{key}: {json.dumps(value)}"
    return "\n".join(lines(tree, 0)) + "\n"


class Run:
    """One `weir run` over the capture, to its end."""

    def __init__(self, settings, *arguments, timeout=90, command="run", capture=True):
        self.folder = Path(tempfile.mkdtemp(dir=shared.work.name))
        self.config = self.folder / "weir.yaml"
        self.config.write_text(yaml(settings))
        reads = ["-r", str(options.capture)] if capture else []
        began = time.time()
        done = subprocess.run(
            [options.weir, command, "-c", str(self.config), *reads, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
            cwd=self.folder,
            # A seed fixes the reading time as well, and brokers delete what is old: it is now.
            env=os.environ | {"SOURCE_DATE_EPOCH": str(int(began))})
        self.began_ms, self.ended_ms = int(began * 1000), int(time.time() * 1000)
        self.seconds = time.time() - began
        self.status = done.returncode
        self.said, self.logged = done.stdout + done.stderr, done.stderr


# A file waits for Kafka as long as librdkafka does, five minutes: too long for a test.
IMPATIENT = {"message.timeout.ms": "2500"}


def kafka_settings(bootstrap, properties=None, **others):
    return {
        "export.exporter": "kafka",
        "kafka.brokers": bootstrap,
        "kafka.properties": dict(properties or {}),
        "privacy.profile": "full",
        **{path.replace("__", "."): value for path, value in others.items()},
    }


@functools.cache
def file_rows():
    """What the file exporter writes of the capture, by type of record."""
    run = Run({"privacy.profile": "full"}, "--seed", SEED, "-o", "segments")
    if run.status != 0:
        raise AssertionError(f"weir ended with {run.status}:\n{run.said}")
    read = subprocess.run([options.weir, "read", "segments"], cwd=run.folder,
                          capture_output=True, text=True, timeout=60, check=True)
    rows = collections.defaultdict(list)
    for line in read.stdout.splitlines():
        row = json.loads(line)
        rows[row["record"]].append(row)
    return rows


class BrokerItself(unittest.TestCase):
    """That the harness would show what it is there to show."""

    def test_topics_are_as_designed(self):
        found = shared.broker.topic_settings()
        for topic in (PREFIX + name for name in TOPICS):
            self.assertIn(topic, found)
            compacted = topic == "weir.clients"
            self.assertEqual(found[topic]["cleanup.policy"],
                             "compact,delete" if compacted else "delete", topic)
            self.assertEqual(found[topic]["message.timestamp.type"], "CreateTime", topic)
            held = int(found[topic]["retention.ms"]) + int(found[topic]["segment.ms"])
            self.assertLessEqual(held, 90 * DAY_MS, topic)

    def test_topics_are_made_once(self):
        before = shared.broker.topic_settings()
        shared.broker.create_topics()
        self.assertEqual(shared.broker.topic_settings(), before)

    def send_at(self, topic, when_ms):
        said = shared.broker.tool(
            "org.apache.kafka.tools.VerifiableProducer", "--topic", topic, "--max-messages", "3",
            "--message-create-time", str(when_ms))
        return json.loads(said.splitlines()[-1])["acked"]

    def test_what_is_older_than_retention_is_gone(self):
        # A capture of last year, sent with its own time, would be taken and vanish.
        topic = "weir.erasures"  # nobody else writes there today
        self.assertEqual(self.send_at(topic, int(time.time() * 1000) - 100 * DAY_MS), 3)
        deadline = time.monotonic() + 20
        while consume(topic) and time.monotonic() < deadline:
            time.sleep(0.3)
        self.assertEqual(consume(topic), [])

    def test_what_lies_in_the_future_is_refused(self):
        self.assertEqual(self.send_at("weir.erasures", int(time.time() * 1000) + 2 * 3600 * 1000),
                         0)


class Rows(unittest.TestCase):
    """One run to Kafka and one to files, with the same seed: the same rows."""

    PREFIX = "rows."  # topics of its own: all that is in them is this run's

    @classmethod
    def setUpClass(cls):
        shared.broker.create_topics(cls.PREFIX)
        cls.kafka = Run(kafka_settings(shared.broker.bootstrap, kafka__topic_prefix=cls.PREFIX),
                        "--seed", SEED)
        if cls.kafka.status != 0:
            raise AssertionError(f"weir ended with {cls.kafka.status}:\n{cls.kafka.said}")
        cls.expected = file_rows()
        cls.messages = {record: consume(cls.PREFIX + topic) for record, topic in RECORDS.items()}
        cls.rows = {record: [decode(record, raw) for message in messages if message.value
                             for raw in delimited(message.value)]
                    for record, messages in cls.messages.items() if record != "erasure"}

    def test_there_is_something_to_compare(self):
        for record in ("flow", "client", "usage"):
            self.assertGreater(len(self.expected[record]), 10, record)
        self.assertGreaterEqual(len(self.expected["health"]), 1)

    def test_every_row_once_as_in_the_files(self):
        for record in ("flow", "client", "usage"):
            sent = collections.Counter(canonical(row) for row in self.rows[record])
            written = collections.Counter(canonical(row) for row in self.expected[record])
            missing, extra = written - sent, sent - written
            self.assertFalse(missing or extra, f"{record}: {sum(missing.values())} rows missing, "
                             f"{sum(extra.values())} too many; the first:\n"
                             f"{next(iter(missing), None)}\n{next(iter(extra), None)}")
            numbers = [row["sequence"] for row in self.rows[record]]
            self.assertEqual(len(set(numbers)), len(numbers), f"{record}: a sequence came twice")

    def test_health_tells_the_same_of_the_network(self):
        own = {"expires_at", "time", "uptime_s", "exporter", "records", "lost", "cpu", "memory", "policy", "dpi"}
        keep = [[{k: v for k, v in row.items() if k not in own} for row in rows]
                for rows in (self.rows["health"], self.expected["health"])]
        self.assertEqual(*keep)
        self.assertEqual(self.rows["health"][-1]["exporter"]["name"], "kafka")

    def test_one_row_a_message(self):
        for record, messages in self.messages.items():
            for message in messages:
                if message.value:
                    self.assertEqual(len(delimited(message.value)), 1, record)

    def test_keys(self):
        seen = collections.Counter()
        for record in ("flow", "client", "usage", "health"):
            for message in self.messages[record]:
                if message.value is None:
                    self.assertEqual(record, "client")
                    continue
                row = decode(record, delimited(message.value)[0])
                if record == "client":
                    wanted = f"{row['tenant']}/{row['client_key']}".encode()
                elif record == "health":
                    wanted = row["collector_id"].encode()
                else:
                    wanted = row["client_key"].encode() if "client_key" in row else None
                self.assertEqual(message.key, wanted, record)
                seen[record, message.key is not None] += 1
        for record in ("flow", "client", "usage", "health"):
            self.assertGreater(seen[record, True], 0, record)
        self.assertGreater(seen["usage", False], 0, "site totals have no client")

    def test_times_are_those_of_the_run(self):
        # Not those of the capture: the broker would delete the rows at once.
        for record, messages in self.messages.items():
            for message in messages:
                self.assertGreaterEqual(message.time_ms, self.kafka.began_ms - 1000, record)
                self.assertLessEqual(message.time_ms, self.kafka.ended_ms + 1000, record)

    def test_rows_expire_by_the_run(self):
        for record, rows in self.rows.items():
            for row in rows:
                expires_ms = datetime.datetime.fromisoformat(
                    row["expires_at"][:19] + "+00:00").timestamp() * 1000 - 90 * DAY_MS
                self.assertGreaterEqual(expires_ms, self.kafka.began_ms - 2000, record)
                self.assertLessEqual(expires_ms, self.kafka.ended_ms + 2000, record)

    def test_zstd_and_idempotent_on_the_wire(self):
        for record in ("flow", "client", "usage", "health"):
            batches = shared.broker.dump_batches(self.PREFIX + RECORDS[record])
            self.assertTrue(batches, record)
            for batch in batches:
                # A lone health row does not shrink; librdkafka then sends it as it is.
                if record != "health":
                    self.assertEqual(batch["compresscodec"], "zstd", record)
                self.assertNotEqual(batch["producerId"], "-1", record)
                self.assertIn("CreateTime", batch)

    def test_the_broker_still_holds_them(self):
        # Retention was looked at since, more than once.
        time.sleep(2.5)
        for record, topic in RECORDS.items():
            self.assertEqual(len(consume(self.PREFIX + topic)), len(self.messages[record]), record)


class Forms(unittest.TestCase):
    """The other forms that rows can take in messages: the same rows."""

    def send(self, **settings):
        """New messages of flows, clients and usage, after a run with these settings."""
        topics = {record: PREFIX + RECORDS[record] for record in ("flow", "client", "usage")}
        before = {record: len(consume(topic)) for record, topic in topics.items()}
        run = Run(kafka_settings(shared.broker.bootstrap, **settings), "--seed", SEED)
        self.assertEqual(run.status, 0, run.said)
        return {record: consume(topic)[before[record]:] for record, topic in topics.items()}

    def assertSameRows(self, record, rows):
        self.assertEqual(collections.Counter(map(canonical, rows)),
                         collections.Counter(map(canonical, file_rows()[record])), record)

    def test_json(self):
        for record, messages in self.send(export__format="json").items():
            for message in messages:
                self.assertEqual(message.value.count(b"\n"), 1)
            self.assertSameRows(record, [json.loads(message.value) for message in messages])

    def test_several_rows_a_message(self):
        for record, messages in self.send(kafka__rows_per_message=5).items():
            rows = []
            for message in messages:
                together = [decode(record, raw) for raw in delimited(message.value)]
                self.assertLessEqual(len(together), 1 if record == "client" else 5)
                if record != "client":
                    self.assertEqual({row.get("client_key", "") for row in together},
                                     {(message.key or b"").decode()})
                rows += together
            self.assertSameRows(record, rows)
            if record != "client":
                self.assertLess(len(messages), len(rows), record)


class Operator(unittest.TestCase):
    """What is said when it does not work, and the exit status."""

    @classmethod
    def setUpClass(cls):
        """Those that mostly wait do so together."""
        class Web(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.recv(4096)
                self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        web = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Web)
        web.daemon_threads = True
        threading.Thread(target=web.serve_forever, daemon=True).start()
        cls.addClassCleanup(web.server_close)
        cls.addClassCleanup(web.shutdown)
        cls.web = f"127.0.0.1:{web.server_address[1]}"
        # Bound but not listening: it refuses, and nobody else's broker can take its place.
        silent = socket.socket()
        silent.bind(("127.0.0.1", 0))
        cls.addClassCleanup(silent.close)
        cls.nowhere = f"127.0.0.1:{silent.getsockname()[1]}"
        login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                 "sasl.username": SASL_USER, "sasl.password": "not the one"}
        pool = concurrent.futures.ThreadPoolExecutor()
        cls.addClassCleanup(pool.shutdown)
        cls.runs = {name: pool.submit(Run, kafka_settings(bootstrap, {**properties, **IMPATIENT}))
                    for name, bootstrap, properties in (
                        ("absent", cls.nowhere, {}),
                        ("unknown", "kafka.invalid:9092", {}),
                        ("web", cls.web, {}),
                        ("refused", shared.broker.sasl_bootstrap, login),
                        ("no login", shared.broker.sasl_bootstrap, {}))}

    def assertSays(self, run, *words):
        for word in words:
            self.assertIn(word, run.said)

    def assertLost(self, run, cause):
        self.assertNotEqual(run.status, 0, run.said)
        self.assertRegex(run.said, rf"[1-9]\d* rows of type flow were lost: {cause}")

    def test_broker_absent(self):
        run = self.runs["absent"].result()
        self.assertSays(run, self.nowhere, "Connection refused", "start Kafka",
                        "kafka.brokers")
        self.assertLost(run, "broker")

    def test_interrupt_does_not_wait_for_an_absent_broker(self):
        folder = Path(tempfile.mkdtemp(dir=shared.work.name))
        config = folder / "weir.yaml"
        config.write_text(yaml(kafka_settings(self.nowhere, export__shutdown_timeout="1s")))
        run = argparse.Namespace()
        with subprocess.Popen([options.weir, "run", "-c", str(config), "-r",
                               str(options.capture)], cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True) as process:
            try:
                time.sleep(4)
                self.assertIsNone(process.poll(), "it should wait for the broker")
                process.send_signal(signal.SIGINT)
                run.said, _ = process.communicate(timeout=8)
            finally:
                process.kill()
        run.status = process.returncode
        self.assertLost(run, "shutdown")

    def test_broker_unknown_to_dns(self):
        run = self.runs["unknown"].result()
        self.assertSays(run, "kafka.invalid:9092", "not known to DNS", "kafka.brokers")
        self.assertLost(run, "broker")

    def test_wrong_port(self):
        run = self.runs["web"].result()
        self.assertSays(run, self.web, "is no Kafka broker", "port", "kafka.brokers")
        self.assertLost(run, "broker")

    def test_wrong_topic(self):
        run = Run(kafka_settings(shared.broker.bootstrap, kafka__topic_prefix="wier."))
        self.assertSays(run, "wier.flows", "does not exist", "kafka.topic_prefix")
        self.assertLost(run, "broker")
        made = [topic for topic in shared.broker.topic_settings() if topic.startswith("wier.")]
        self.assertEqual(made, [])

    def test_wrong_password(self):
        run = self.runs["refused"].result()
        self.assertSays(run, "refuses the login", "sasl.password")
        self.assertNotIn("not the one", run.said)
        self.assertLost(run, "broker")

    def test_right_password(self):
        login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                 "sasl.username": SASL_USER, "sasl.password": SASL_PASSWORD}
        before = len(consume("weir.flows"))
        run = Run(kafka_settings(shared.broker.sasl_bootstrap, login))
        self.assertEqual(run.status, 0, run.said)
        self.assertGreater(len(consume("weir.flows")), before)

    def test_login_wanted_but_none_configured(self):
        run = self.runs["no login"].result()
        self.assertSays(run, shared.broker.sasl_bootstrap, "security.protocol")
        self.assertLost(run, "broker")

    def test_unknown_and_bad_properties_stop_the_start(self):
        settings = kafka_settings(shared.broker.bootstrap,
                                  {"compresion.type": "zstd", "acks": "perhaps"})
        before = len(consume("weir.flows"))
        for command in ("run", "check"):
            run = Run(settings, command=command, capture=command == "run")
            self.assertNotEqual(run.status, 0, command)
            self.assertSays(run, "compresion.type", "No such configuration property", "acks",
                            "Invalid value")
            for line, word in enumerate(run.config.read_text().splitlines(), 1):
                if "compresion" in word or "acks" in word:
                    self.assertSays(run, f"weir.yaml:{line}:")
            self.assertLess(run.seconds, 10)
        self.assertEqual(len(consume("weir.flows")), before)

    def test_broker_that_comes_late(self):
        concurrent.futures.wait(self.runs.values())
        before = len(consume("weir.flows"))
        shared.broker.stop()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = pool.submit(Run, kafka_settings(shared.broker.bootstrap), "--seed", SEED)
            time.sleep(3)
            shared.broker.start()  # here: a broker goes with the thread that started it
            run = running.result()
        self.assertEqual(run.status, 0, run.said)
        self.assertSays(run, "start Kafka", "works again")
        self.assertEqual(len(consume("weir.flows")) - before, len(file_rows()["flow"]))


class Log(unittest.TestCase):
    """Topics take what the policy lets leave; the log has no policy."""

    def test_nothing_personal_in_the_log(self):
        """Nor in librdkafka's, of rows that are delivered and of rows that are refused."""
        secrets = secrets_of.secrets_of(str(options.capture))
        personal = Finder(secrets.macs, secrets.ips, set(secrets.names), (), vocabulary())
        runs = [Run(kafka_settings(shared.broker.bootstrap, {"debug": "all"}, **more), "--seed", SEED)
                for more in ({}, {"kafka__topic_prefix": "wier."},
                             {"export__format": "json", "kafka__rows_per_message": 5})]
        self.assertEqual([run.status for run in runs], [0, 3, 0])
        for run in runs:
            self.assertIn("%7|", run.logged)  # librdkafka was heard
            self.assertEqual(sorted(set(personal.in_log(run.logged))), [])
        self.assertNotEqual(personal.in_log("weir: " + next(iter(secrets.names)).decode()), [])


class Live(unittest.TestCase):
    """A collector on the interface by which it exports."""

    @unittest.skipUnless(os.geteuid() == 0, "needs root to listen on an interface")
    def test_own_export_is_not_collected(self):
        class Page(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        folder = Path(tempfile.mkdtemp(dir=shared.work.name))
        config = folder / "weir.yaml"
        config.write_text(yaml(kafka_settings(
            shared.broker.bootstrap, state_dir=str(folder), flow__idle_closed="1s",
            export__batch_age="100ms")))
        before = len(consume("weir.flows"))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server, \
                subprocess.Popen([options.weir, "run", "-c", str(config), "-i", "lo"],
                                 cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True) as weir:
            try:
                threading.Thread(target=server.serve_forever, daemon=True).start()
                web = server.server_address[1]
                time.sleep(2)
                for _ in range(4):  # so that rows are sent while it still listens
                    urllib.request.urlopen(f"http://127.0.0.1:{web}/", timeout=5).close()
                    time.sleep(1.5)
                weir.send_signal(signal.SIGINT)
                said, _ = weir.communicate(timeout=20)
            finally:
                weir.kill()
                server.shutdown()
        self.assertEqual(weir.returncode, 0, said)
        rows = [decode("flow", raw) for message in consume("weir.flows")[before:]
                for raw in delimited(message.value)]
        ports = {row.get(port) for row in rows for port in ("server_port", "client_port")}
        self.assertIn(web, ports)
        self.assertNotIn(shared.broker.port, ports)


def main():
    parser = argparse.ArgumentParser(description=__doc__, add_help=False)
    parser.add_argument("--weir", required=True, type=os.path.abspath)
    parser.add_argument("--capture", type=os.path.abspath,
                        default=str(ROOT / "tests" / "lan" / "house.pcap"))
    _, rest = parser.parse_known_args(namespace=options)
    try:
        require("java", "kcat")
        try:
            import google.protobuf  # noqa: F401
            subprocess.run(["protoc", "--version"], check=True, capture_output=True)
        except (ImportError, OSError) as error:
            raise Missing("python3-protobuf or protoc (apt-get install python3-protobuf "
                          "protobuf-compiler)") from error
        Broker.prepare()
    except Missing as error:
        print(f"test_kafka.py: SKIPPED, NOTHING WAS TESTED AGAINST KAFKA: {error}",
              file=sys.stderr, flush=True)
        return SKIPPED
    except BrokerError as error:
        print(f"test_kafka.py: {error}", file=sys.stderr)
        return 1
    # A harness that is told to end still stops its broker.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    program = unittest.main(argv=[sys.argv[0], *rest], exit=False)
    return 0 if program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
