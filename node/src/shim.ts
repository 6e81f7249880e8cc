/**
 * `Promise.withResolvers` (ECMAScript 2024), which the network stack calls and Node.js 20 lacks. The first import of every
 * entry point; it does nothing where the runtime has it.
 */
if (typeof Promise.withResolvers !== 'function') {
  Object.defineProperty(Promise, 'withResolvers', {
    configurable: true,
    writable: true,
    value: function withResolvers<T>(this: PromiseConstructor): PromiseWithResolvers<T> {
      let settle: Pick<PromiseWithResolvers<T>, 'resolve' | 'reject'> | undefined
      const promise = new this<T>((resolve, reject) => {
        settle = { resolve, reject }
      })
      return { promise, ...(settle as NonNullable<typeof settle>) }
    },
  })
}

export {}
