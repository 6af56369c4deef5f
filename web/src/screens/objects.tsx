// A folder of a bucket: folders and objects (or every version of them), chosen one by one or together.
import { useEffect, useState } from "preact/hooks";
import { baseName, bytes, number, plural } from "../lib/format";
import * as store from "../lib/objects";
import { setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useAction, useLoad, useSettled } from "../lib/use";
import { Card, Empty, Problem, Skeleton, Time } from "../parts/basics";
import { CodeBlock } from "../parts/code";
import { Confirm } from "../parts/dialog";
import { Icon, type IconName } from "../parts/icon";
import { Filter, Table, type Column } from "../parts/table";
import { folderHref } from "./bucket";
import { ObjectPanel } from "./object";
import { DeleteMany, type Chosen } from "./object-dialogs";
import { DropZone, type UploadList } from "./upload";

const MOST_PAGES = 25;

/** A row: a folder, an object, or one version of an object. */
interface Entry { id: string; name: string; prefix?: string; object?: store.Obj }

interface Props { bucket: store.Bucket; folder: string; uploads: UploadList }

export function Browser({ bucket, folder, uploads }: Props) {
  const { query } = usePlace();
  const { edit } = useMay();
  const pages = Math.min(Number(query.get("pages")) || 1, MOST_PAGES);
  const all = query.get("versions") === "1" && bucket.versioning !== "off";
  const text = query.get("q") ?? "";
  const settled = useSettled(text);
  const read = all ? store.versionPagesOf : store.pagesOf;
  const list = useLoad(() => read(bucket.name, folder, pages), [bucket.name, folder, pages, all]);
  // The rest of a large folder is searched by the server, by the beginning of the name.
  const wide = useLoad(async () => (settled && list.data?.next ? read(bucket.name, folder + settled, 1) : undefined), [bucket.name, folder, settled, all, list.data?.next]);
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const [deleting, setDeleting] = useState<Chosen>();
  useEffect(() => setChosen(new Set()), [bucket.name, folder, all]);
  useEffect(() => { if (uploads.finished) list.reload(); }, [uploads.finished]);

  const entries = entriesOf(folder, text, list.data, text === settled ? wide.data : undefined);
  const shown = query.get("object") ?? undefined;
  const picked = entries?.filter((entry) => chosen.has(entry.id)) ?? [];
  const reload = () => { setChosen(new Set()); list.reload(); wide.reload(); };
  const toggle = (id: string) => setChosen((old) => { const next = new Set(old); if (!next.delete(id)) next.add(id); return next; });
  const everything = entries !== undefined && entries.length > 0 && picked.length === entries.length;
  const columns: Column<Entry>[] = [
    edit && {
      id: "pick", class: "pick", cell: (e: Entry) => <input type="checkbox" checked={chosen.has(e.id)} onChange={() => toggle(e.id)} aria-label={`Select ${e.name}`} />,
      head: <input type="checkbox" checked={everything} onChange={() => setChosen(everything ? new Set() : new Set(entries?.map((e) => e.id)))} aria-label="Select all" />,
    },
    { id: "name", head: "Name", class: "file-name", cell: (e: Entry) => <Name entry={e} bucket={bucket.name} folder={folder} all={all} /> },
    { id: "size", head: "Size", class: "num file-size", cell: (e: Entry) => e.object && !e.object.marker && <span title={`${number(e.object.size)} bytes`}>{bytes(e.object.size)}</span> },
    !shown && { id: "when", head: "Changed", class: "wide-only", cell: (e: Entry) => e.object && <Time at={e.object.last_modified} /> },
    !shown && { id: "acts", head: <span class="sr">Actions</span>, class: "acts", cell: (e: Entry) => <RowActions entry={e} bucket={bucket.name} all={all} edit={edit} drop={() => setDeleting(chosenOf([e], all))} after={reload} /> },
  ].filter((column) => column !== false && column !== undefined) as Column<Entry>[];

  return (
    <>
      <div class="toolbar">
        {picked.length > 0
          ? <div class="bulk" role="group" aria-label="Selected objects"><b>{plural(picked.length, "entry", "entries")} selected</b><button type="button" class="btn danger small" onClick={() => setDeleting(chosenOf(picked, all))}><Icon name="trash" />Delete</button><button type="button" class="btn small" onClick={() => setChosen(new Set())}>Clear</button></div>
          : <Filter value={text} onChange={(q) => setQuery({ q })} placeholder="Search this folder" label="Search this folder" />}
        {bucket.versioning !== "off" && <label class="check"><input type="checkbox" role="switch" checked={all} onChange={(e) => setQuery({ versions: e.currentTarget.checked ? "1" : null })} />Show versions</label>}
        {list.data && !picked.length && <span class="muted">{counts(list.data, all)}</span>}
      </div>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      <DropZone enabled={edit} onFiles={uploads.add}>
        <div class={shown ? "browser open" : ""}>
          <Card flush class="files">
            {!entries && !list.error && <div class="card-body"><Skeleton /></div>}
            {entries?.length === 0 && (text ? <Empty kind="none" title="Nothing in this folder matches" clear={() => setQuery({ q: null })} /> : <Nothing bucket={bucket.name} folder={folder} edit={edit} />)}
            {entries && entries.length > 0 && <Table label="Objects" rows={entries} rowKey={(e) => e.id} columns={columns} href={(e) => hrefOf(e, bucket.name, folder, all)} current={(e) => e.object !== undefined && e.object.key === shown && (!all || e.object?.version === query.get("version"))} />}
            {list.data?.next && pages < MOST_PAGES && <div class="more"><button type="button" class="btn" onClick={() => setQuery({ pages: String(pages + 1) })}>Show more</button></div>}
          </Card>
          {shown && <ObjectPanel key={`${shown} ${query.get("version") ?? ""}`} bucket={bucket} name={shown} version={query.get("version") ?? undefined} folder={folder} after={reload} />}
        </div>
      </DropZone>
      {deleting && <DeleteMany bucket={bucket} chosen={deleting} close={() => setDeleting(undefined)} after={() => { if (deleting.objects.some((o) => o.key === shown)) setQuery({ object: null, version: null }); reload(); }} />}
    </>
  );
}

function entriesOf(folder: string, text: string, ...found: (store.ObjPage | undefined)[]): Entry[] | undefined {
  if (!found[0]) return undefined;
  const fits = (key: string) => key.slice(folder.length).toLowerCase().includes(text.toLowerCase());
  const entries = new Map<string, Entry>();
  for (const page of found) {
    for (const prefix of page?.prefixes ?? []) if (fits(prefix)) entries.set(`p:${prefix}`, { id: `p:${prefix}`, name: prefix.slice(folder.length), prefix });
  }
  for (const page of found) {
    for (const object of page?.objects ?? []) {
      const id = `o:${object.version}:${object.key}`;
      if (object.key !== folder && fits(object.key)) entries.set(id, { id, name: object.key.slice(folder.length), object });
    }
  }
  return [...entries.values()];
}

const counts = (page: store.ObjPage, all: boolean) =>
  `${page.prefixes.length ? `${plural(page.prefixes.length, "folder")}, ` : ""}${plural(page.objects.length, all ? "version" : "object")}${page.next ? ", more below" : ""}`;

/** What deleting these entries means: with versions on show, exactly those versions go. */
const chosenOf = (entries: Entry[], all: boolean): Chosen => ({
  prefixes: entries.flatMap((e) => e.prefix ?? []),
  objects: entries.flatMap((e) => (e.object ? [{ ...e.object, version: all ? e.object.version : "" }] : [])),
  versions: all,
});

function hrefOf(entry: Entry, bucket: string, folder: string, all: boolean): string {
  const query = all ? "versions=1" : "";
  if (entry.prefix !== undefined) return folderHref(bucket, entry.prefix) + (query && `?${query}`);
  const object = entry.object;
  return folderHref(bucket, folder, object?.key) + (all ? `&version=${object?.version ?? ""}&${query}` : "");
}

function Name({ entry, bucket, folder, all }: { entry: Entry; bucket: string; folder: string; all: boolean }) {
  const { object } = entry;
  const icon: IconName = entry.prefix !== undefined ? "folder" : object?.marker ? "slash" : "file";
  return (
    <span class={`entry ${all && object && !object.latest ? "older" : ""}`}>
      <Icon name={icon} />
      <a class={entry.prefix !== undefined ? "cut strong" : "cut"} href={hrefOf(entry, bucket, folder, all)} title={entry.name}>{entry.name}</a>
      {all && object && <span class="version-marks"><code title={object.version}>{store.shortVersion(object.version)}</code>{object.latest && <span class="status tone-ok"><Icon name="check" size={12} />Latest</span>}{object.marker && <span class="status tone-warn"><Icon name="slash" size={12} />Delete marker</span>}</span>}
    </span>
  );
}

interface Act { entry: Entry; bucket: string; all: boolean; edit: boolean; drop: () => void; after: () => void }

function RowActions({ entry, bucket, all, edit, drop, after }: Act) {
  const { object } = entry;
  const name = baseName(entry.name);
  const version = all ? object?.version : undefined;
  return (
    <>
      {object && !object.marker && <a class="icon-btn wide-only" href={store.url(bucket, object.key, { version })} download={name} title="Download" aria-label={`Download ${name}`}><Icon name="down" /></a>}
      {object && all && edit && (object.marker ? object.latest : !object.latest) && <Restore bucket={bucket} object={object} after={after} />}
      {edit && <button type="button" class="icon-btn" title="Delete" aria-label={`Delete ${entry.name}`} onClick={drop}><Icon name="trash" /></button>}
    </>
  );
}

/** An older version becomes the latest again by a copy onto its key; a delete marker by going away. */
export function Restore({ bucket, object, after }: { bucket: string; object: store.Obj; after: () => void }) {
  const { busy, error, act } = useAction();
  const [open, setOpen] = useState(false);
  const restore = () => object.marker ? store.remove(bucket, object.key, object.version) : store.copy(bucket, { key: object.key, version: object.version, to_key: object.key });
  return (
    <>
      <button type="button" class="icon-btn" disabled={busy} title="Restore" aria-label={`Restore ${object.key} from version ${object.version}`} onClick={() => void act(restore, after).then(() => setOpen(true))}><Icon name="undo" /></button>
      {error && open && <Confirm title="Not restored" submit="Try again" close={() => setOpen(false)} save={restore} after={after}><Problem error={error} /></Confirm>}
    </>
  );
}

function Nothing({ bucket, folder, edit }: { bucket: string; folder: string; edit: boolean }) {
  return (
    <Empty kind="start" icon="up" title="Nothing here yet">
      <p>{edit ? "Drop files or folders here, or:" : "An editor can put objects here:"}</p>
      <CodeBlock code={`crannog object put data.csv ${bucket}/${folder}`} />
    </Empty>
  );
}
