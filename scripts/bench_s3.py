"""`make bench-s3`: Crannog's object store beside the peers this machine has, in one run.

Each server in turn gets the same bounded load from the same client on loopback: 16 connections, some seconds a
phase. CPU is the server's own, from /proc. `dd conv=fsync`, files of 1 MiB that are each synced, and `cat` to a socket
say what the machine gives today.

A host may take back the memory its guest leaves free; then the first touch of a page costs ten times what it costs on
a machine of one's own (10 us and 1, measured), and whoever writes large files measures little else. So memory is
touched before each phase that writes much, for every server and for `dd` alike; `--idle-memory` leaves it as it is.

usage: bench_s3.py LOAD_CLIENT CRANNOG [--seconds N] [--only NAME,NAME] [--big-mib N] [--whole-uploads]
                   [--idle-memory] [--json FILE]

`--whole-uploads` adds 64 uploads of 1 GiB at once that are sent to their ends: they want 64 GiB of room where
BENCH_DIR is, or a file system there that compresses (their bytes are zeros).
"""

import argparse
import ctypes
import json
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import s3_peers

# RECENTCY_MIN of fs/ext4/ialloc.c, and a second.
EXT4_RECENTLY_S = 61
# They fill the page cache by the gigabyte.
WRITES_MUCH = {"put1m", "multipart", "uploads64", "whole64"}
PHASES = "put4k,get4k,put1m,get1m,multipart,getbig,fill,list,uploads64"
ROWS = [
    ("PUT 4 KiB /s", "put4k", "per_second", ">= 4,000"),
    ("  CPU us each", "put4k", "cpu_us", "<= 200"),
    ("  p50 ms", "put4k", "p50_ms", ""),
    ("GET 4 KiB /s", "get4k", "per_second", ">= 20,000"),
    ("  CPU us each", "get4k", "cpu_us", "<= 60"),
    ("PUT 1 MiB MB/s", "put1m", "mb_per_second", ">= 520"),
    ("  CPU us each", "put1m", "cpu_us", ""),
    ("GET 1 MiB MB/s", "get1m", "mb_per_second", ">= 1,300"),
    ("  CPU us each", "get1m", "cpu_us", "<= 800"),
    ("multipart MB/s", "multipart", "mb_per_second", ">= 550"),
    ("GET big MB/s", "getbig", "mb_per_second", ">= 80 % of cat"),
    ("LIST all keys s", "list", "seconds", "<= 0.25"),
    ("boto3 GET 4 KiB p50 ms", "boto", "p50_ms", "< 1.5"),
    ("boto3 PUT 4 KiB p50 ms", "boto", "put_p50_ms", ""),
    ("memory at start MiB", "memory", "start", ""),
    ("memory at end MiB", "memory", "end", "< 150"),
    ("  over that, 64 uploads", "memory", "uploads", "< 64"),
    ("  over that, 64 whole GiB", "memory", "whole", "< 64"),
    ("errors", "errors", "count", "0"),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("load", type=Path)
    parser.add_argument("crannog", type=Path)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--big-mib", type=int, default=1024)
    parser.add_argument("--list-keys", type=int, default=100_000)
    parser.add_argument("--only", default="crannog,s3s-fs,radosgw")
    parser.add_argument("--phases", default=PHASES)
    parser.add_argument("--whole-uploads", action="store_true")
    parser.add_argument("--idle-memory", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    started = {
        "crannog": lambda folder: s3_peers.crannog(options.crannog, folder),
        "s3s-fs": s3_peers.s3s_fs,
        "radosgw": s3_peers.radosgw,
    }
    results, missing = {}, []
    with tempfile.TemporaryDirectory(prefix="crannog-bench-", dir=os.environ.get("BENCH_DIR")) as root:
        machine = measure_machine(options, Path(root))
        for name in options.only.split(","):
            folder = Path(root) / name
            folder.mkdir()
            try:
                server = started[name](folder)
            except RuntimeError as error:
                missing.append(f"{name} is installed but did not start ({error})")
                continue
            if server is None:
                missing.append(f"{name} is not installed")
                continue
            try:
                let_removed_files_age()
                results[name] = measure(options, server)
            finally:
                server.stop()
                shutil.rmtree(folder, ignore_errors=True)
    show(options, machine, results, missing)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "servers": results, "missing": missing}, indent=1))


def measure_machine(options, root: Path) -> dict:
    """What the disk and the loopback give without any server."""
    file = root / "plain"
    page = None if options.idle_memory else touch_memory()
    began = time.perf_counter()
    command = ["dd", "if=/dev/zero", f"of={file}", "bs=1M", f"count={options.big_mib}", "conv=fsync"]
    subprocess.run(command, check=True, capture_output=True)
    dd = options.big_mib * 1.048576 / (time.perf_counter() - began)
    cat = load(options, None, "cat", "--file", file)[0]["mb_per_second"]
    file.unlink()
    if not options.idle_memory:
        touch_memory()
    files = synced_files(root)
    rates = {"dd_fsync_mb_s": dd, "files_mb_s": files, "cat_mb_s": cat, "first_touch_of_a_page_us": page}
    return rates | {"cores": os.cpu_count(), "load_before": os.getloadavg()[0]}


def touch_memory() -> float:
    """Has half of the free memory backed by the host, and gives it back; answers what a page of 4 KiB took, in us."""
    with open("/proc/meminfo") as lines:
        free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    share = free * 1024 // 4

    def touch(memory: mmap.mmap) -> float:
        memory.madvise(mmap.MADV_HUGEPAGE)
        began = time.thread_time()
        ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(memory)), 1, share)
        return time.thread_time() - began

    with ThreadPoolExecutor(2) as pool:
        # Both are held until both are touched: the second must not get the pages of the first.
        taken = sum(pool.map(touch, [mmap.mmap(-1, share) for _ in range(2)]))
    return taken * 1e6 / (2 * share / 4096)


def synced_files(root: Path, threads=16, seconds=3) -> float:
    """MB/s of new files of 1 MiB, each synced and its folder too: a durable PUT of 1 MiB without the server."""
    folder, body, end = root / "files", os.urandom(1 << 20), time.perf_counter() + seconds
    folder.mkdir()

    def write(thread: int) -> int:
        count = 0
        while time.perf_counter() < end:
            with (folder / f"{thread}-{count}").open("wb", buffering=0) as file:
                file.write(body)
                os.fsync(file)
            opened = os.open(folder, os.O_RDONLY)
            os.fsync(opened)
            os.close(opened)
            count += 1
        return count

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        written = sum(pool.map(write, range(threads)))
    rate = written * 1.048576 / (time.perf_counter() - began)
    shutil.rmtree(folder)
    return rate


def let_removed_files_age():
    """Waits until nobody pays for what was removed before: for a minute ext4 looks at each inode freed lately, one by
    one, whenever a file is made beside it (7 % of a durable PUT of 1 MiB, measured)."""
    os.sync()
    time.sleep(EXT4_RECENTLY_S)


def load(options, server, phases: str, *more) -> list[dict]:
    """Runs phases of the load client and answers its lines."""
    command = [options.load, "--phases", phases, "--seconds", options.seconds, "--big-mib", options.big_mib]
    command += ["--list-keys", options.list_keys, *more]
    if server:
        command += ["--endpoint", server.endpoint, "--access", server.access, "--secret", server.secret]
        command += ["--region", server.region, "--pids", ",".join(map(str, server.pids))]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=1800)
    if done.returncode != 0:
        print(f"  the load client stopped: {done.stderr.strip()[:300]}", file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def measure(options, server) -> dict:
    print(f"{server.name}: {server.note}", file=sys.stderr)
    result = {"memory": {"start": resident_mib(server)}, "note": server.note, "errors": {"count": 0}}
    phases = options.phases.split(",") + (["whole64"] if options.whole_uploads else [])
    for phase in phases:
        began, before = os.getloadavg()[0], resident_mib(server)
        # Objects of an earlier phase are known by their count, so reads go with their writes.
        if phase.startswith("get") and phase != "getbig":
            continue
        if phase in WRITES_MUCH and not options.idle_memory:
            touch_memory()
        pair = {"put4k": "put4k,get4k", "put1m": "put1m,get1m"}.get(phase, phase)
        for line in load(options, server, pair):
            result[line["phase"]] = line | {"load": began}
            result["errors"]["count"] += line["errors"]
            error = f"   {line['errors']} errors: {line['first_error']}" if line["errors"] else ""
            rates = f"{line['per_second']:10,.1f}/s {line['mb_per_second']:9,.1f} MB/s {line['cpu_us']:11,.0f} CPU us"
            print(f"  {line['phase']:<10} {rates}   {line['memory_mib']} MiB{error}", file=sys.stderr)
            if line["peak_mib"]:
                name = "whole" if phase == "whole64" else "uploads"
                result["memory"][name] = line["peak_mib"] - before
    result["memory"]["end"] = resident_mib(server)
    result["boto"] = boto_latency(server)
    return result


def boto_latency(server) -> dict:
    client = server.client()
    body, key = os.urandom(4096), {"Bucket": "crannog-bench", "Key": "latency"}
    puts = times(lambda: client.put_object(Body=body, **key))
    gets = times(lambda: client.get_object(**key)["Body"].read())
    return {"p50_ms": gets[len(gets) // 2], "p90_ms": gets[len(gets) * 9 // 10], "put_p50_ms": puts[len(puts) // 2]}


def times(call, count=150) -> list[float]:
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)


def resident_mib(server) -> float:
    kib = 0
    for pid in server.pids:
        kib += int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])
    return kib / 1024


def show(options, machine: dict, results: dict, missing: list[str]):
    print(f"\ndd conv=fsync {machine['dd_fsync_mb_s']:,.0f} MB/s · 16 files of 1 MiB at a time, each synced ", end="")
    print(f"{machine['files_mb_s']:,.0f} MB/s · cat to a socket {machine['cat_mb_s']:,.0f} MB/s · ", end="")
    print(f"{machine['cores']} cores shared with the client · load before {machine['load_before']:.1f}")
    page = machine["first_touch_of_a_page_us"]
    touched = "left idle" if page is None else f"touched before what writes much, first {page:.2f} us a page"
    print(f"memory {touched}")
    print(f"{'':<26}" + "".join(f"{name:>12}" for name in results) + f"  {'goal':<14}")
    for title, phase, field, goal in ROWS:
        values = [result.get(phase, {}).get(field) for result in results.values()]
        cells = "".join(f"{'-' if value is None else f'{value:,.{digits(value)}f}':>12}" for value in values)
        print(f"{title:<26}{cells}  {goal:<14}")
    print(f"big is {options.big_mib} MiB; of each of the 64 uploads announced as 1 GiB, 64 MiB were sent")
    for why in missing:
        print(f"missing: {why}, so it was not measured")


def digits(value: float) -> int:
    return 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2


if __name__ == "__main__":
    main()
