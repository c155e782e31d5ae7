declare module "chunk-texts" {
  const texts: Record<string, string>;
  export = texts;
}
