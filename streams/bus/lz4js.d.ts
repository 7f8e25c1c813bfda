/** The part of lz4js that is used. */
declare module "lz4js" {
  const lz4: {
    /** Unpacks one block into `into` from `end` on; gives the new end, which may lie behind the buffer. */
    decompressBlock(packed: Uint8Array, into: Uint8Array, at: number, length: number, end: number): number;
  };
  export default lz4;
}
