// Status is always an icon, a word and a colour; never colour alone.
import { Icon, type IconName } from "./icon";

type Tone = "ok" | "bad" | "busy" | "wait" | "warn" | "off";

const STATES: Record<string, [word: string, tone: Tone, icon: IconName]> = {
  // MLflow's runs and versions
  RUNNING: ["Running", "busy", "arc"],
  SCHEDULED: ["Scheduled", "wait", "clock"],
  FINISHED: ["Finished", "ok", "check"],
  FAILED: ["Failed", "bad", "cross"],
  KILLED: ["Killed", "off", "slash"],
  READY: ["Ready", "ok", "check"],
  PENDING_REGISTRATION: ["Pending", "wait", "clock"],
  FAILED_REGISTRATION: ["Failed", "bad", "cross"],
  LOGGED_MODEL_READY: ["Ready", "ok", "check"],
  LOGGED_MODEL_PENDING: ["Pending", "wait", "clock"],
  LOGGED_MODEL_UPLOAD_FAILED: ["Upload failed", "bad", "cross"],
  // Traces and their spans
  OK: ["OK", "ok", "check"],
  ERROR: ["Error", "bad", "cross"],
  IN_PROGRESS: ["Running", "busy", "arc"],
  STATE_UNSPECIFIED: ["Unknown", "off", "dot"],
  // Pipelines
  queued: ["Queued", "wait", "clock"],
  deferred: ["Deferred", "wait", "clock"],
  waiting: ["Waiting", "wait", "clock"],
  running: ["Running", "busy", "arc"],
  success: ["Success", "ok", "check"],
  failed: ["Failed", "bad", "cross"],
  cancelled: ["Cancelled", "off", "slash"],
  skipped: ["Skipped", "off", "skip"],
  upstream_failed: ["Upstream failed", "warn", "warn"],
  up_for_retry: ["Up for retry", "warn", "clock"],
  lost: ["Lost", "bad", "warn"],
  paused: ["Paused", "off", "pause"],
  active: ["Active", "ok", "check"],
  broken: ["Error", "bad", "warn"],
  // Endpoints and the server
  loading: ["Loading", "busy", "arc"],
  ready: ["Ready", "ok", "check"],
  promoting: ["Promoting", "busy", "arc"],
  promoted: ["Promoted", "ok", "check"],
  rolled_back: ["Rolled back", "warn", "undo"],
  degraded: ["Degraded", "warn", "warn"],
  no_model: ["No model", "warn", "warn"],
  deleted: ["Deleted", "off", "trash"],
  warm: ["Warm", "off", "clock"],
  runs: ["Can be served", "ok", "check"],
  refused: ["Cannot be served", "bad", "cross"],
  has_it: ["Has it", "ok", "check"],
  lacks_it: ["Lacks it", "bad", "cross"],
  ok: ["Healthy", "ok", "check"],
};

export const tone = (state: string): Tone => STATES[state]?.[1] ?? "wait";
export const word = (state: string): string => STATES[state]?.[0] ?? state.toLowerCase().replace(/_/g, " ");

export function Status({ state, note }: { state: string; note?: string | null }) {
  const [, kind, icon] = STATES[state] ?? [state, "wait" as Tone, "dot" as IconName];
  return (
    <span class={`status tone-${kind}`} title={note ?? undefined}>
      <Icon name={icon} size={14} class={kind === "busy" ? "turn" : ""} />
      {word(state)}
    </span>
  );
}

/** Of a run that was not over by its deadline. */
export const Late = () => <span class="status tone-warn"><Icon name="clock" size={14} />Deadline missed</span>;

/** Recent runs as small marks, oldest first; each is a link that says its state in words. */
export function Marks({ runs }: { runs: { id: string; state: string; started_at: string | null }[] }) {
  if (runs.length === 0) return <span class="muted">–</span>;
  return (
    <span class="marks">
      {[...runs].reverse().map((run) => (
        <a key={run.id} class={`mark tone-${tone(run.state)}`} href={`/pipeline-runs/${encodeURIComponent(run.id)}`} title={`${word(run.state)} · ${run.id}`}>
          <span class="sr">{word(run.state)}</span>
        </a>
      ))}
    </span>
  );
}
