// Buckets and objects in Crannog's own API: shapes and one function per route.
import { ask, withQuery } from "./api";
import { keyPath } from "./router";

const V1 = "/api/crannog/v1";
const enc = encodeURIComponent;
const at = (bucket: string, rest = "") => `${V1}/buckets/${enc(bucket)}${rest}`;

export type Versioning = "off" | "enabled" | "suspended";
export interface Bucket { name: string; created_at: string | null; owner: string; objects: number; bytes: number; versioning: Versioning; object_lock: boolean }
export interface Obj {
  key: string; version: string; latest: boolean; marker: boolean; size: number; etag: string; last_modified: string | null; content_type: string | null; storage_class: string | null;
}
export interface ObjPage { prefixes: string[]; objects: Obj[]; next: string | null }
export interface VersionPage { prefixes: string[]; versions: Obj[]; next: { after: string; after_version: string | null } | null }
export type Pairs = Record<string, string>;
export interface Retention { mode: "GOVERNANCE" | "COMPLIANCE"; until: string }
export interface Details extends Obj {
  owner: string; headers: Pairs; metadata: Pairs; tags: Pairs; checksums: Pairs; parts: number | null; retention: Retention | null; legal_hold: boolean; redirect: string | null; encryption: string | null;
}
export interface Change { tags?: Pairs; content_type?: string; headers?: Pairs; metadata?: Pairs; legal_hold?: boolean; retention?: Retention; bypass_governance?: boolean }
export interface Outcome { deleted: number; refused: number; errors: { key: string; version: string | null; detail: string }[] }
export interface Quota { objects: number; bytes: number; max_objects: number | null; max_bytes: number | null }
export interface Webhook { name: string; arn: string; url: string; created_at: string; waiting: number; oldest_at: string | null; attempts: number; error: string | null; secret?: string }

export const buckets = async () => (await ask<{ buckets: Bucket[] }>(`${V1}/buckets`)).buckets;
export const bucket = (name: string) => ask<Bucket>(at(name));
export const bucketCreate = (json: { name: string; versioning?: Versioning; object_lock?: boolean }) => ask<Bucket>(`${V1}/buckets`, { json });
export const bucketChange = (name: string, json: { versioning?: Versioning; object_lock?: boolean }) => ask<Bucket>(at(name), { method: "PATCH", json });
export const bucketDelete = (name: string) => ask(at(name), { method: "DELETE" });
/** Every version of everything in it, then the bucket itself. */
export async function bucketEmpty(name: string): Promise<Outcome> {
  return ask<Outcome>(at(name, "/delete"), { json: { prefixes: [""], versions: true } });
}

/** A bucket's access list, with the field names of the AWS command line. */
export interface Grant { Grantee: { Type?: string; ID?: string; DisplayName?: string; URI?: string; EmailAddress?: string }; Permission: string }
export interface AccessList { Owner?: { ID?: string }; Grants: Grant[] }

export const settings = async (name: string) => (await ask<{ settings: Record<string, unknown> }>(at(name, "/settings"))).settings;
export const settingPut = (name: string, setting: string, json: unknown) => ask<unknown>(at(name, `/settings/${setting}`), { method: "PUT", json });
export const settingDelete = (name: string, setting: string) => ask(at(name, `/settings/${setting}`), { method: "DELETE" });
export const quota = (name: string) => ask<Quota>(at(name, "/quota"));
export const quotaPut = (name: string, json: { max_objects: number | null; max_bytes: number | null }) => ask<Quota>(at(name, "/quota"), { method: "PUT", json });
export const webhooks = async () => (await ask<{ webhooks: Webhook[] }>(`${V1}/webhooks`)).webhooks;
export const webhookPut = (name: string, json: { url: string }) => ask<Webhook>(`${V1}/webhooks/${enc(name)}`, { method: "PUT", json });
export const webhookDelete = (name: string) => ask(`${V1}/webhooks/${enc(name)}`, { method: "DELETE" });

export const list = (name: string, prefix: string, after?: string, limit = 200) => ask<ObjPage>(at(name, "/objects"), { query: { prefix, delimiter: "/", after, limit } });
export const versions = (name: string, prefix: string, next?: VersionPage["next"], delimiter = "/") =>
  ask<VersionPage>(at(name, "/versions"), { query: { prefix, delimiter, after: next?.after, after_version: next?.after_version, limit: 200 } });
export const url = (name: string, key: string, options: { version?: string; inline?: boolean } = {}) =>
  withQuery(at(name, `/objects/${keyPath(key)}`), { version: options.version, inline: options.inline ? 1 : undefined });
export const remove = (name: string, key: string, version?: string) => ask(url(name, key, { version }), { method: "DELETE" });
export const removeMany = (name: string, json: { objects: { key: string; version?: string }[]; prefixes?: string[]; versions?: boolean; bypass_governance?: boolean }) =>
  ask<Outcome>(at(name, "/delete"), { json });
export const copy = (name: string, json: { key: string; version?: string; to_bucket?: string; to_key: string; move?: boolean }) => ask<Obj>(at(name, "/copy"), { json });
const detailsUrl = (name: string, key: string, version?: string) => withQuery(at(name, `/details/${keyPath(key)}`), { version });
export const details = (name: string, key: string, version?: string) => ask<Details>(detailsUrl(name, key, version));
export const change = (name: string, key: string, json: Change, version?: string) => ask<Details>(detailsUrl(name, key, version), { method: "PATCH", json });
export const presign = (name: string, json: { key: string; method: "GET" | "PUT"; version?: string; expires_s: number }) =>
  ask<{ url: string; method: string; expires_at: string }>(at(name, "/presign"), { json });

export interface Begun { id: string; key: string; begun_at: string }
export const uploads = async (name: string) => (await ask<{ uploads: Begun[] }>(at(name, "/uploads"))).uploads;
export const uploadBegin = (name: string, json: { key: string; content_type?: string }) => ask<{ id: string }>(at(name, "/uploads"), { json });
export const partUrl = (name: string, key: string, upload: string, part: number) => withQuery(at(name, `/uploads/${enc(upload)}/${part}`), { key });
export const uploadComplete = (name: string, upload: string, json: { key: string; parts: { number: number; etag: string }[] }) => ask<Obj>(at(name, `/uploads/${enc(upload)}`), { json });
export const uploadAbort = (name: string, key: string, upload: string) => ask(withQuery(at(name, `/uploads/${enc(upload)}`), { key }), { method: "DELETE" });

/** The first listed entries, `pages` pages of them. */
export async function pagesOf(name: string, prefix: string, pages: number): Promise<ObjPage> {
  const all: ObjPage = { prefixes: [], objects: [], next: null };
  for (let page = 0; page < pages; page++) {
    const part = await list(name, prefix, all.next ?? undefined);
    all.prefixes.push(...part.prefixes);
    all.objects.push(...part.objects);
    all.next = part.next;
    if (!part.next) break;
  }
  return all;
}

export async function versionPagesOf(name: string, prefix: string, pages: number): Promise<ObjPage> {
  const all: ObjPage = { prefixes: [], objects: [], next: null };
  let next: VersionPage["next"] = null;
  for (let page = 0; page < pages; page++) {
    const part: VersionPage = await versions(name, prefix, next);
    all.prefixes.push(...part.prefixes);
    all.objects.push(...part.versions);
    next = part.next;
    if (!next) break;
  }
  return { ...all, next: next?.after ?? null };
}

export const shortVersion = (version: string) => (version === "null" ? "null" : version.slice(8, 16));
