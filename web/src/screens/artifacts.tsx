// A run's artifacts: folders and files on the left, a preview on the right.
import { baseName, bytes } from "../lib/format";
import * as ml from "../lib/mlflow";
import { path as route } from "../lib/router";
import { useLoad } from "../lib/use";
import { Card, Empty, Problem, Skeleton } from "../parts/basics";
import { Icon } from "../parts/icon";
import { Preview } from "../parts/preview";

const parent = (path: string) => path.split("/").slice(0, -1).join("/");

export function Artifacts({ runId, uri, path }: { runId: string; uri: string; path: string }) {
  // A path with a trailing slash is a folder; otherwise it is the file on show.
  const folder = path.endsWith("/") ? path.slice(0, -1) : parent(path);
  const file = path && !path.endsWith("/") ? path : undefined;
  const list = useLoad(() => ml.artifacts(runId, folder), [runId, folder]);
  const href = (to: string) => `${route("runs", runId)}?tab=artifacts${to ? `&path=${encodeURIComponent(to)}` : ""}`;
  const files = list.data && [...list.data].sort((a, b) => Number(b.is_dir) - Number(a.is_dir) || a.path.localeCompare(b.path));
  const shown = file ? files?.find((f) => f.path === file) : undefined;
  if (list.error) return <Problem error={list.error} retry={list.reload} />;
  if (files?.length === 0 && !folder) return <Card><Empty kind="start" icon="folder" title="This run has no artifacts"><p><code>mlflow.log_artifact("report.html")</code> puts a file here.</p></Empty></Card>;
  return (
    <div class="browser">
      <Card flush class="files">
        {folder && <a class="file" href={href(parent(folder) && `${parent(folder)}/`)}><Icon name="folder" /><span>.. <span class="muted">{folder}</span></span></a>}
        {!files && <div class="card-body"><Skeleton /></div>}
        {files?.map((f) => (
          <a key={f.path} class="file" href={href(f.is_dir ? `${f.path}/` : f.path)} aria-current={f.path === file ? "true" : undefined}>
            <Icon name={f.is_dir ? "folder" : "file"} /><span class="grow cut">{baseName(f.path)}</span><span class="muted">{f.is_dir ? "" : bytes(f.file_size)}</span>
          </a>
        ))}
      </Card>
      <Card flush class="viewer">
        {shown ? <Preview file={{ name: shown.path, size: Number(shown.file_size ?? 0), url: ml.artifactUrl(uri, shown.path) }} /> : <Empty kind="none" icon="file" title="Choose a file to look at it" />}
      </Card>
    </div>
  );
}
