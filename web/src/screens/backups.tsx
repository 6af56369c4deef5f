// Backups in the settings of the server: the newest snapshot, the last attempt, and a button for another.
import { useEffect } from "preact/hooks";
import * as api from "../lib/crannog";
import { bytes, duration, plural } from "../lib/format";
import { useMay } from "../lib/session";
import { useAction, useLoad } from "../lib/use";
import { Card, Facts, Problem, Skeleton, Time } from "../parts/basics";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";

export function BackupCard() {
  const { admin } = useMay();
  const { data, error, reload } = useLoad(api.backups, [], 10_000);
  const { busy, error: refused, act } = useAction();
  const running = data?.running;
  // While one runs, its progress is looked at more often.
  useEffect(() => {
    if (!running) return;
    const timer = setTimeout(reload, 500);
    return () => clearTimeout(timer);
  }, [data]);
  if (error) return <Problem error={error} retry={reload} />;
  if (!data) return <Card title="Backups"><Skeleton rows={3} /></Card>;
  const button = admin && data.dir && <button type="button" class="btn" disabled={busy || !!running} onClick={() => act(api.backupBegin, reload)}><Icon name="layers" />Back up now</button>;
  return (
    <Card title="Backups" actions={button}>
      {refused && <Problem error={refused} />}
      {running && <Running of={running} />}
      {data.dir ? <Configured state={data} /> : <p class="note">No folder is configured. Set <code>backup.dir</code>, or take one with <code>crannog backup create DIR</code>. <a href="/docs/backup">About backups</a></p>}
      {!data.dir && data.last && <Facts items={[["Last backup", <Last last={data.last} />]]} />}
    </Card>
  );
}

function Running({ of }: { of: NonNullable<api.Backups["running"]> }) {
  const { files, bytes: done, of_files, of_bytes } = of.progress;
  return (
    <p class="note">
      <progress aria-label="Progress of the backup" value={done} max={of_bytes || 1} />
      {of_files ? `${files} of ${plural(of_files, "file")}, ${bytes(done)} of ${bytes(of_bytes)}` : "The databases are written"}
    </p>
  );
}

function Configured({ state }: { state: api.Backups }) {
  const hours = state.every_s / 3600;
  const every = state.every_s === 0 ? "when asked for" : Number.isInteger(hours) ? `every ${plural(hours, "hour")}` : `every ${duration(state.every_s * 1000)}`;
  return (
    <Facts items={[
      ["Newest snapshot", state.newest_at ? <Time at={state.newest_at} /> : "none yet"],
      ["Folder", <code>{state.dir}</code>],
      ["Taken", `${every}${state.keep ? `; ${plural(state.keep, "snapshot")} kept` : ""}`],
      state.last && ["Last backup", <Last last={state.last} />],
    ]} />
  );
}

function Last({ last }: { last: NonNullable<api.Backups["last"]> }) {
  const { snapshot, error } = last;
  if (error) return <span><Status state="failed" /> {error}</span>;
  return <span>{snapshot && `${plural(snapshot.files, "file")} with ${bytes(snapshot.bytes)}, ${bytes(snapshot.new_bytes)} of it new, in ${duration(snapshot.took_ms)}`}</span>;
}
