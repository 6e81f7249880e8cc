/** What the tests use of the library. */
declare module 'jsonld' {
  const jsonld: {
    toRDF(document: object, options: { documentLoader: (url: string) => Promise<never> }): Promise<unknown>
  }
  export = jsonld
}
