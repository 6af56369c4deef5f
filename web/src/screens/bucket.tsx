// One bucket: its objects, and its settings. The path is the folder.
import { baseName } from "../lib/format";
import * as store from "../lib/objects";
import { keyPath, path, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Page, Problem, Tabs } from "../parts/basics";
import { UseFromCode } from "../parts/code";
import { Icon } from "../parts/icon";
import { BucketSettings } from "./bucket-settings";
import { BucketMarks } from "./data";
import { Browser } from "./objects";
import { FolderInput, Uploads, useUploads } from "./upload";

/** The address of a folder of a bucket; with `object`, of that object on show. */
export const folderHref = (bucket: string, folder: string, object?: string) =>
  `${path("data", bucket)}${folder ? `/${keyPath(folder)}` : ""}${object ? `?object=${encodeURIComponent(object)}` : ""}`;

export function BucketScreen({ bucket, prefix }: { bucket: string; prefix: string }) {
  const { query } = usePlace();
  const { edit } = useMay();
  const found = useLoad(() => store.bucket(bucket), [bucket]);
  const folder = prefix && !prefix.endsWith("/") ? `${prefix}/` : prefix;
  const uploads = useUploads(bucket, folder);
  const parts = folder.split("/").slice(0, -1);
  const at = (depth: number) => folderHref(bucket, depth ? `${parts.slice(0, depth).join("/")}/` : "");
  const view = query.get("view") === "settings" ? "settings" : "objects";
  const open = query.get("object");
  const crumbs = [{ label: "Data", href: "/data" }, ...(parts.length ? [{ label: bucket, href: at(0) }, ...parts.slice(0, -1).map((part, i) => ({ label: part || "/", href: at(i + 1) }))] : [])];
  return (
    <Page
      title={folder ? baseName(folder) || "/" : bucket}
      heading={<>{folder ? baseName(folder) || "/" : bucket}{found.data && !folder && <BucketMarks bucket={found.data} />}</>}
      crumbs={crumbs}
      actions={<>
        <UseFromCode snippets={(a) => snippets(a, bucket, open ?? `${folder}file.csv`)} />
        {edit && view === "objects" && <>
          <FolderInput onFiles={uploads.add} />
          <label class="btn primary"><Icon name="up" />Upload<input type="file" multiple class="sr" onChange={(e) => { uploads.add([...(e.currentTarget.files ?? [])].map((file) => ({ file, path: file.name }))); e.currentTarget.value = ""; }} /></label>
        </>}
      </>}
    >
      {!folder && <Tabs current={view} href={(id) => (id === "objects" ? at(0) : `${at(0)}?view=settings`)} tabs={[{ id: "objects", label: "Objects" }, { id: "settings", label: "Settings" }]} />}
      {found.error && <Problem error={found.error} retry={found.reload} />}
      {view === "objects" && <Uploads uploads={uploads} />}
      {found.data && (view === "settings"
        ? <BucketSettings bucket={found.data} reload={found.reload} />
        : <Browser bucket={found.data} folder={folder} uploads={uploads} />)}
    </Page>
  );
}

const snippets = (at: { s3: string; region: string }, bucket: string, key: string) => [
  { label: "boto3", code: `import boto3\n\ns3 = boto3.client("s3", endpoint_url="${at.s3}", region_name="${at.region}")\ns3.download_file("${bucket}", "${key}", "${baseName(key)}")` },
  { label: "pandas", code: `import pandas as pd\n\nframe = pd.read_${/\.parquet$/i.test(key) ? "parquet" : "csv"}(\n    "s3://${bucket}/${key}",\n    storage_options={"endpoint_url": "${at.s3}"},\n)` },
  { label: "crannog", code: `crannog object get "${bucket}/${key}"\ncrannog object put "${baseName(key)}" "${bucket}/${key}"\ncrannog object presign "${bucket}/${key}" --expires 7d` },
  { label: "aws", code: `aws --endpoint-url ${at.s3} s3 cp "s3://${bucket}/${key}" .` },
];
