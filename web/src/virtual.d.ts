// What vite.config.ts makes of docs/*.md.
declare module "virtual:docs" {
  const pages: { slug: string; title: string; html: string }[];
  export default pages;
}
