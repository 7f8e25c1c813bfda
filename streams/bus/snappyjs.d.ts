/** The part of snappyjs that is used. */
declare module "snappyjs" {
  const snappy: {
    uncompress(packed: Buffer, bytesMax: number): Buffer;
  };
  export default snappy;
}
