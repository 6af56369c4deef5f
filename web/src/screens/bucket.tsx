// One bucket: folders and objects, upload, preview, download, delete. The path is the folder.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { baseName, bytes, plural } from "../lib/format";
import { keyPath, path, setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Page, Problem, Skeleton, Time } from "../parts/basics";
import { CodeBlock, UseFromCode } from "../parts/code";
import { Confirm } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Preview } from "../parts/preview";
import { Filter } from "../parts/table";
import { DropZone, useUploads, Uploads } from "./upload";

const MOST_PAGES = 25;

/** The folder's listing, `pages` pages of it. */
async function listing(bucket: string, prefix: string, pages: number): Promise<api.ObjPage> {
  const all: api.ObjPage = { prefixes: [], objects: [], next: null };
  for (let page = 0; page < Math.min(pages, MOST_PAGES); page++) {
    const part = await api.objects(bucket, prefix, all.next ?? undefined);
    all.prefixes.push(...part.prefixes);
    all.objects.push(...part.objects);
    all.next = part.next;
    if (!part.next) break;
  }
  return all;
}

export function BucketScreen({ bucket, prefix }: { bucket: string; prefix: string }) {
  const { query } = usePlace();
  const { edit } = useMay();
  const [doomed, setDoomed] = useState<api.Obj>();
  const pages = Number(query.get("pages")) || 1;
  const folder = prefix && !prefix.endsWith("/") ? `${prefix}/` : prefix;
  const list = useLoad(() => listing(bucket, folder, pages), [bucket, folder, pages]);
  const uploads = useUploads(bucket, folder, list.reload);
  const text = query.get("q") ?? "";
  const fits = (key: string) => key.slice(folder.length).toLowerCase().includes(text.toLowerCase());
  const prefixes = list.data?.prefixes.filter(fits);
  const objects = list.data?.objects.filter((o) => o.key !== folder && fits(o.key));
  const shown = list.data?.objects.find((o) => o.key === query.get("object"));
  const parts = folder.split("/").filter(Boolean);
  const at = (depth: number) => `${path("data", bucket)}${depth ? `/${keyPath(parts.slice(0, depth).join("/"))}/` : ""}`;
  const empty = prefixes?.length === 0 && objects?.length === 0;
  return (
    <Page
      title={folder ? baseName(folder) : bucket}
      crumbs={[{ label: "Data", href: "/data" }, ...(parts.length ? [{ label: bucket, href: at(0) }, ...parts.slice(0, -1).map((part, i) => ({ label: part, href: at(i + 1) }))] : [])]}
      actions={<>
        <UseFromCode snippets={(a) => snippets(a, bucket, shown?.key ?? objects?.[0]?.key ?? `${folder}file.csv`)} />
        {edit && <label class="btn primary"><Icon name="up" />Upload<input type="file" multiple class="sr" onChange={(e) => { uploads.add([...(e.currentTarget.files ?? [])]); e.currentTarget.value = ""; }} /></label>}
      </>}
    >
      <div class="toolbar"><Filter value={text} onChange={(q) => setQuery({ q })} placeholder="Filter this folder" label="Filter this folder" />{objects && prefixes && <span class="muted">{plural(prefixes.length, "folder")}, {plural(objects.length, "object")}{list.data?.next ? ", more below" : ""}</span>}</div>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      <Uploads list={uploads.list} clear={uploads.clear} />
      <DropZone enabled={edit} onFiles={uploads.add}>
        <div class={shown ? "browser" : ""}>
          <Card flush class="files">
            {!list.data && !list.error && <div class="card-body"><Skeleton /></div>}
            {empty && (text ? <Empty kind="none" title="Nothing in this folder matches" clear={() => setQuery({ q: null })} /> : <Empty kind="start" icon="up" title="Nothing here yet"><p>Drop files here, or:</p><CodeBlock code={`aws s3 cp data.csv s3://${bucket}/${folder}`} /></Empty>)}
            {prefixes?.map((p) => <a key={p} class="file" href={`${path("data", bucket)}/${keyPath(p)}`}><Icon name="folder" /><span class="grow cut strong">{p.slice(folder.length)}</span></a>)}
            {objects?.map((o) => (
              <div key={o.key} class="file" aria-current={o === shown ? "true" : undefined}>
                <Icon name="file" />
                <a class="grow cut" href={`${at(parts.length)}?object=${encodeURIComponent(o.key)}`}>{o.key.slice(folder.length)}</a>
                <span class="muted file-when"><Time at={o.last_modified} /></span><span class="muted file-size">{bytes(o.size)}</span>
                <a class="icon-btn" href={api.objectUrl(bucket, o.key)} download={baseName(o.key)} aria-label={`Download ${baseName(o.key)}`}><Icon name="down" /></a>
                {edit && <button type="button" class="icon-btn" aria-label={`Delete ${baseName(o.key)}`} onClick={() => setDoomed(o)}><Icon name="trash" /></button>}
              </div>
            ))}
            {list.data?.next && pages < MOST_PAGES && <div class="more"><button type="button" class="btn" onClick={() => setQuery({ pages: String(pages + 1) })}>Show more</button></div>}
          </Card>
          {shown && <Card flush class="viewer"><Preview file={{ name: shown.key.slice(folder.length), size: shown.size, url: api.objectUrl(bucket, shown.key), inlineUrl: api.objectUrl(bucket, shown.key, true) }} /></Card>}
        </div>
      </DropZone>
      {doomed && (
        <Confirm title="Delete the object" submit="Delete" close={() => setDoomed(undefined)} after={() => { if (shown === doomed) setQuery({ object: null }); list.reload(); }} save={() => api.objectDelete(bucket, doomed.key)}>
          <p><code>s3://{bucket}/{doomed.key}</code> ({bytes(doomed.size)}) is removed for good.</p>
        </Confirm>
      )}
    </Page>
  );
}

const snippets = (at: { s3: string; region: string }, bucket: string, key: string) => [
  { label: "boto3", code: `import boto3\n\ns3 = boto3.client("s3", endpoint_url="${at.s3}", region_name="${at.region}")\ns3.download_file("${bucket}", "${key}", "${baseName(key)}")` },
  { label: "pandas", code: `import pandas as pd\n\nframe = pd.read_csv(\n    "s3://${bucket}/${key}",\n    storage_options={"endpoint_url": "${at.s3}"},\n)` },
  { label: "aws", code: `aws --endpoint-url ${at.s3} s3 cp s3://${bucket}/${key} .` },
];
