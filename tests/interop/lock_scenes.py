"""What tasks of a data source may ask of an Overlord, at random but from a seed, and how answers are compared."""

import json
import random
import re

from attrs import define, field

DAYS = [f"2010-01-0{day}T00:00:00.000Z" for day in range(1, 6)]
HOUR = "2010-01-01T00:00:00.000Z/2010-01-01T01:00:00.000Z"
SEGMENT_VERSION = "2011-01-01T00:00:00.000Z"
KINDS = ["EXCLUSIVE", "SHARED", "REPLACE", "APPEND"]
#: Tasks 0 and 1 are of one group.
PRIORITIES = [50, 50, 50, 70, 70, 90]

_VERSION = re.compile(r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ")
_LABEL = re.compile(r"\[v\d+\]")
_WRAPPED = re.compile(r"^(java\.lang\.Runtime|java\.util\.concurrent\.Execution)Exception: ")
_BRACKETS = re.compile(r"\[[^\[\]{}]*\]|\{[^\[\]{}]*\}")


@define
class Labels:
    """Versions are times, and differ: the first that an Overlord tells of is called ``[v0]``, the next ``[v1]``."""

    versions: dict[str, str] = field(factory=dict)

    def to_versions(self, text):
        """The text with its versions, as this Overlord knows them."""
        return _LABEL.sub(lambda found: self.versions.get(found[0], found[0]), text)

    def to_labels(self, text):
        """The text with labels; versions that are new get one, the earliest first."""
        labels = {version: label for label, version in self.versions.items()}
        for version in sorted(set(_VERSION.findall(text)) - set(labels)):
            labels[version] = f"[v{len(labels)}]"
        self.versions = {label: version for version, label in labels.items()}
        return _VERSION.sub(lambda found: labels[found[0]], text)


def comparable(status, text):
    """What must be the same: all of a result, in any order; of a failure all but what stands in brackets."""
    value = json.loads(text) if text.startswith(("{", "[")) else text
    if isinstance(value, dict) and set(value) == {"error"}:
        return status, _without_brackets(_WRAPPED.sub("", value["error"]))
    if isinstance(value, dict) and isinstance(value.get("result"), dict) and value["result"].get("errorMsg"):
        message = value["result"]["errorMsg"].removeprefix("org.apache.druid.error.DruidException: ")
        value["result"]["errorMsg"] = _without_brackets(message)
    return status, _in_order(value)


def _without_brackets(message):
    """There Java prints objects its own way. One word Druid writes in two ways."""
    while message != (message := _BRACKETS.sub("", message)):
        pass
    return message.replace("pendingSegment", "pending segment")


def _in_order(value):
    if isinstance(value, dict):
        return {key: _in_order(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted(map(_in_order, value), key=lambda each: json.dumps(each, sort_keys=True))
    return value


class Scene:
    """Six tasks of one data source. What they publish and release are locks and ids that were given before."""

    def __init__(self, seed, number):
        self.name = f"s{seed}-{number}"
        self.rng = random.Random(f"{seed}-{number}")
        self.tasks = [self._task(number) for number in range(len(PRIORITIES))]
        self.locks = []
        self.ids = []

    def _task(self, number):
        id_ = f"{self.name}-{number}"
        return {
            "type": "noop",
            "id": id_,
            "groupId": f"{self.name}-group" if number in (0, 1) else id_,
            "dataSource": self.name,
            "resource": {"availabilityGroup": id_, "requiredCapacity": 1},
            "context": {"priority": PRIORITIES[number]},
        }

    # ---- what is asked

    def next_request(self):
        """The body of the next request: a task and its action."""
        weights = {
            self._try_lock: 8,
            self._try_segments: 5,
            self._acquire: 1,
            self._acquire_segment: 1,
            self._release: 3,
            self._list: 2,
            self._allocate: 6,
            self._publish: 5,
            self._used: 1,
        }
        make = self.rng.choices(list(weights), list(weights.values()))[0]
        task = self.rng.choice(self.tasks)
        return {"task": task, "action": make(task)}

    def _interval(self):
        start = self.rng.randrange(4)
        end = self.rng.randrange(start + 1, min(start + 3, 5))
        return self.rng.choice([f"{DAYS[start]}/{DAYS[end]}"] * 6 + [HOUR])

    def _try_lock(self, task):
        return {"type": "lockTryAcquire", "lockType": self.rng.choice(KINDS), "interval": self._interval()}

    def _acquire(self, task):
        return {**self._try_lock(task), "type": "lockAcquire", "timeoutMs": 1}

    def _partition(self):
        return {
            "lockType": self.rng.choice([*KINDS, *["EXCLUSIVE"] * 4]),
            "interval": self._interval(),
            "version": SEGMENT_VERSION,
        }

    def _try_segments(self, task):
        partitions = sorted(self.rng.sample(range(4), self.rng.randrange(1, 4)))
        return {"type": "segmentLockTryAcquire", **self._partition(), "partitionIds": partitions}

    def _acquire_segment(self, task):
        return {
            "type": "segmentLockAcquire",
            **self._partition(),
            "partitionId": self.rng.randrange(4),
            "timeoutMs": 1,
        }

    def _release(self, task):
        held = self._locks_of(task)
        interval = self.rng.choice(held)["interval"] if held else self._interval()
        return {"type": "lockRelease", "interval": interval}

    def _list(self, task):
        return {"type": "lockList"}

    def _used(self, task):
        return {
            "type": "segmentListUsed",
            "dataSource": self.name,
            "intervals": [f"{DAYS[0]}/{DAYS[-1]}"],
            "visibility": self.rng.choice(["ONLY_VISIBLE", "INCLUDING_OVERSHADOWED"]),
        }

    def _allocate(self, task):
        hour = self.rng.choice(["00:30", "07:00"])
        return {
            "type": "segmentAllocate",
            "dataSource": self.name,
            "timestamp": f"2010-01-0{self.rng.randrange(1, 4)}T{hour}:00.000Z",
            "queryGranularity": {"type": "none"},
            "preferredSegmentGranularity": self.rng.choice(["DAY"] * 4 + ["HOUR", "MONTH"]),
            "sequenceName": f"{self.name}-s{self.rng.randrange(4)}",
            "previousSegmentId": self.rng.choice([None, None, "p"]),
            "skipSegmentLineageCheck": self.rng.random() < 0.5,
            "shardSpecFactory": {"type": "numbered"},
            "lockGranularity": self.rng.choice(["TIME_CHUNK"] * 4 + ["SEGMENT"]),
            "taskLockType": self.rng.choice(["EXCLUSIVE", "APPEND", "APPEND"]),
        }

    def _publish(self, task):
        mine = self._locks_of(task)
        ids = [id_ for id_ in self.ids if self.rng.random() < 0.5][:2]
        if mine and self.rng.random() < 0.7:
            ids = [self._id_for(self.rng.choice(mine))]
        kind = self.rng.choice(["Insert", "Append", "Append", "Replace", "Replace"])
        return {"type": f"segmentTransactional{kind}", "segments": [self.segment(id_) for id_ in ids]}

    def _id_for(self, lock):
        """An id that the lock covers, or nearly so."""
        number = lock.get("partitionId", self.rng.randrange(2))
        spec = {"type": "numbered", "partitionNum": number, "partitions": self.rng.randrange(2)}
        interval = lock["interval"] if self.rng.random() < 0.8 else self._interval()
        return {"interval": interval, "version": lock["version"], "shardSpec": spec}

    def segment(self, id_):
        return {
            "dataSource": self.name,
            "interval": id_["interval"],
            "version": id_["version"],
            "loadSpec": {"type": "local", "path": f"/{id_['shardSpec'].get('partitionNum', 0)}"},
            "dimensions": "a",
            "metrics": "b",
            "shardSpec": id_["shardSpec"],
            "binaryVersion": 9,
            "size": 1,
        }

    def _locks_of(self, task):
        return [lock for lock in self.locks if lock["groupId"] == task["groupId"]]

    # ---- what was answered

    def learn(self, result):
        """Remember locks and ids for what is asked later."""
        values = result if isinstance(result, list) else [result]
        for value in filter(None, values):
            lock = value.get("taskLock") or (value if "groupId" in value else None)
            if lock is not None:
                self.locks.append(lock)
            elif "shardSpec" in value and "loadSpec" not in value:
                self.ids.append(value)
