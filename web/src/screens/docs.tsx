// The documentation, rendered when the UI was built; it needs no network, and comes when it is first opened.
import { useLoad } from "../lib/use";
import { Empty, Page, Problem, Skeleton } from "../parts/basics";

export function DocsScreen({ slug }: { slug: string }) {
  const { data: pages, error, reload } = useLoad(async () => (await import("virtual:docs")).default, []);
  if (error) return <Page title="Documentation"><Problem error={error} retry={reload} /></Page>;
  if (!pages) return <Page title="Documentation"><Skeleton rows={8} /></Page>;
  const page = pages.find((p) => p.slug === slug) ?? (slug ? undefined : (pages.find((p) => p.slug === "index") ?? pages[0]));
  return (
    <Page title={page?.title ?? "Documentation"}>
      <div class="docs">
        {pages.length > 1 && <nav aria-label="Documentation">{pages.map((p) => <a key={p.slug} href={`/docs/${p.slug}`} aria-current={p === page ? "page" : undefined}>{p.title}</a>)}</nav>}
        {page
          ? <article class="prose" dangerouslySetInnerHTML={{ __html: page.html }} />
          : <Empty kind="none" icon="book" title="There is no such page">{pages[0] && <a class="btn" href="/docs">All documentation</a>}</Empty>}
      </div>
    </Page>
  );
}
