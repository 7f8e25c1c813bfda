/**
 * One story in examples: a patient is identified, a bill settled, asked for, given back. The envelope around the
 * settlement is complete and its signatures are genuine, so that an implementer can check every step against it;
 * tests do the same.
 */
import type {
  OperationName,
  PresettleReply,
  PresettleRequest,
  RefundRequest,
  ResultRequest,
  SettlementReply,
  SettleRequest,
  StatementReply,
  StatementRequest,
  VerifyReply,
  VerifyRequest,
} from "../../core/protocol/operations.ts";

const ORG_ID = "H51010000001";
const SCENE = {
  orgId: ORG_ID,
  termId: "H51010000001T1",
  termIp: "10.1.2.3",
  operatorId: "op7",
  operatorName: "李敏",
  officeId: "0300",
  officeName: "内科",
} as const;
const EC_TOKEN = "510100abcdefghijklmnopqrstuvwxyz012345";

const SETTLED = {
  outTradeNo: "S20261121-0001",
  settlementId: "rs30cf32039dbe6bbe8ee828ba1de6e0b3",
  status: "settled",
  amount: "128.50",
  legs: [
    { rail: "insurance", fundSource: "hifp_pay", amount: "90.00" },
    { rail: "commercial", fundSource: "commercial_claim", amount: "28.50" },
    { rail: "bank", fundSource: "psn_cash_pay", amount: "10.00" },
  ],
  receipt: "…",
} as const satisfies SettlementReply;

/** A bill that one payer took and another refused, of which the first gave nothing back. */
export const EXAMPLE_KEPT = {
  outTradeNo: "S20261121-0002",
  settlementId: "rs8b2f6e0c51d94a7790ce1fb3a4d2c816",
  status: "refused",
  refusalCode: "600040",
  refusalMessage: "支付方拒绝",
  amount: "128.50",
  kept: [{ rail: "insurance", fundSource: "hifp_pay", amount: "90.00" }],
  receipt: "…",
} as const satisfies SettlementReply;

export interface Example<Request, Reply> {
  readonly request: Request;
  readonly reply: Reply;
}

/** `data` of a request and of its reply, for each operation. */
export const EXAMPLES = {
  "rh.verify": {
    request: {
      ...SCENE,
      outTradeNo: "V20261121-0001",
      businessType: "01201",
      code: "28123456789012345678",
    } as const satisfies VerifyRequest,
    reply: {
      outTradeNo: "V20261121-0001",
      grade: "online",
      userName: "张**",
      idType: "01",
      idNo: "5****************4",
      ecToken: EC_TOKEN,
      ecTokenExpires: "20261121100000",
      insuOrg: "510100",
    } satisfies VerifyReply,
  },
  "rh.presettle": {
    request: {
      ...SCENE,
      outTradeNo: "Q20261121-0001",
      businessType: "01301",
      ecToken: EC_TOKEN,
      amount: "128.50",
      medType: "11",
      feeLines: [
        {
          itemCode: "XN02BEN015",
          itemName: "对乙酰氨基酚片",
          quantity: "3",
          unitPrice: "9.50",
          amount: "28.50",
          category: "09",
          selfPayClass: "01",
        },
        {
          itemCode: "003101000010",
          itemName: "彩色多普勒超声",
          quantity: "1",
          unitPrice: "100.00",
          amount: "100.00",
          category: "03",
          selfPayClass: "02",
        },
      ],
    } satisfies PresettleRequest,
    reply: {
      outTradeNo: "Q20261121-0001",
      ecToken: EC_TOKEN,
      ecTokenExpires: "20261121100000",
      insuOrg: "510100",
      amount: "128.50",
      split: {
        medfee_sumamt: "128.50",
        fulamt_ownpay_amt: "0.00",
        overlmt_selfpay: "0.00",
        preselfpay_amt: "10.00",
        inscp_scp_amt: "118.50",
        act_pay_dedc: "6.00",
        hifp_pay: "90.00",
        cvlserv_pay: "0.00",
        hifes_pay: "0.00",
        hifmi_pay: "0.00",
        hifob_pay: "0.00",
        maf_pay: "0.00",
        oth_pay: "0.00",
        fund_pay_sumamt: "90.00",
        psn_part_amt: "38.50",
        acct_pay: "0.00",
        acct_mulaid_pay: "0.00",
        commercial_claim: "28.50",
        psn_cash_pay: "10.00",
        hosp_part_amt: "0.00",
      },
      legs: [
        { rail: "insurance", fundSource: "hifp_pay", amount: "90.00" },
        { rail: "commercial", fundSource: "commercial_claim", amount: "28.50" },
        { rail: "bank", fundSource: "psn_cash_pay", amount: "10.00" },
      ],
      balc: "0.00",
    } satisfies PresettleReply,
  },
  "rh.settle": {
    request: {
      ...SCENE,
      outTradeNo: "S20261121-0001",
      businessType: "01301",
      ecToken: EC_TOKEN,
      amount: "128.50",
      waitSeconds: "10",
    } satisfies SettleRequest,
    reply: SETTLED,
  },
  "rh.result": {
    request: { orgId: ORG_ID, outTradeNo: "S20261121-0001", waitSeconds: "20" } satisfies ResultRequest,
    reply: SETTLED,
  },
  "rh.refund": {
    request: {
      ...SCENE,
      outTradeNo: "T20261121-0001",
      businessType: "01301",
      originalOutTradeNo: "S20261121-0001",
      refundType: "ALL",
      waitSeconds: "10",
    } satisfies RefundRequest,
    reply: {
      ...SETTLED,
      outTradeNo: "T20261121-0001",
      settlementId: "rs7d1e90b2c4465fa3815c0f9e2ab7d604",
      status: "refunded",
    } satisfies SettlementReply,
  },
  "rh.statement": {
    request: { orgId: ORG_ID, outTradeNo: "D20261122-0001", period: "20261121", pageSize: "2" } satisfies StatementRequest,
    reply: {
      outTradeNo: "D20261122-0001",
      period: "20261121",
      closed: "1",
      totals: {
        settlements: "1",
        settled: "128.50",
        refunds: "1",
        refunded: "128.50",
        sources: [
          { rail: "insurance", fundSource: "hifp_pay", settled: "90.00", refunded: "90.00" },
          { rail: "commercial", fundSource: "commercial_claim", settled: "28.50", refunded: "28.50" },
          { rail: "bank", fundSource: "psn_cash_pay", settled: "10.00", refunded: "10.00" },
        ],
      },
      rows: [
        {
          kind: "settlement",
          outTradeNo: SETTLED.outTradeNo,
          settlementId: SETTLED.settlementId,
          day: "20261121",
          at: "20261121093002",
          late: "0",
          amount: SETTLED.amount,
          legs: SETTLED.legs,
        },
        {
          kind: "refund",
          outTradeNo: "T20261121-0001",
          settlementId: "rs7d1e90b2c4465fa3815c0f9e2ab7d604",
          originalSettlementId: SETTLED.settlementId,
          day: "20261121",
          at: "20261121141500",
          late: "0",
          amount: SETTLED.amount,
          legs: SETTLED.legs,
        },
      ],
    } satisfies StatementReply,
  },
} as const satisfies Record<OperationName, Example<object, object>>;

/**
 * Whose signatures stand below: the example key pair of GM/T 0003.5, here for hospital and platform alike. The
 * private key is printed in that standard, so it protects nothing and is no one's.
 */
export const EXAMPLE_PARTNER = {
  appId: "00112233445566778899AABBCCDDEEFF",
  appSecret: "FFEEDDCCBBAA99887766554433221100",
  privateKey: "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8",
  publicKey:
    "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13",
} as const;

export const EXAMPLE_OPERATION = "rh.settle" satisfies OperationName;

/** A whole request. */
export const EXAMPLE_REQUEST = {
  orgId: ORG_ID,
  version: "1.0.0",
  encType: "SM4",
  transType: EXAMPLE_OPERATION,
  signType: "SM2",
  signData: "4Kc9GTRF9pZ6RC8Pv7wJ+Gfn4PITx5YHB+oCH0kNNUJ/VBA/bEtVFQgnVJs+FMdPQJyh4ChDx9N/ulDQxmNb2g==",
  timestamp: "20261121093000",
  data: EXAMPLES[EXAMPLE_OPERATION].request,
} as const;

/** The whole reply to it. */
export const EXAMPLE_REPLY = {
  orgId: ORG_ID,
  code: "0",
  message: "成功",
  encType: "SM4",
  signType: "SM2",
  success: true,
  timestamp: "20261121093001",
  signData: "epPLKJZGBL+2BN1W2QzWpzC0JtcamFbxutndwyEpQnpWBHrtHNxTfuvjFnH9vzNbbBKKYnG2P1y1D1ihSvRPcg==",
  data: EXAMPLES[EXAMPLE_OPERATION].reply,
} as const;

/** A refusal, whole. */
export const EXAMPLE_REFUSAL = {
  orgId: ORG_ID,
  code: "600020",
  message: "金额格式不正确",
  encType: "SM4",
  signType: "SM2",
  success: false,
  timestamp: "20261121093001",
  signData: "6Ai8VaFNbqGTSWW+RW36VBiU56ylXtM7rwu2oOj168ItWj32GjgiM/8PrkihQ/wzrxNVXxfvgu9PTxzwKYjZHQ==",
  data: {},
} as const;

/** Steps on the way to `EXAMPLE_REQUEST`, to compare with. */
export const EXAMPLE_STEPS = {
  signText:
    'data={"amount":"128.50","businessType":"01301","ecToken":"510100abcdefghijklmnopqrstuvwxyz012345","officeId":"0300","officeName":"内科","operatorId":"op7","operatorName":"李敏","orgId":"H51010000001","outTradeNo":"S20261121-0001","termId":"H51010000001T1","termIp":"10.1.2.3","waitSeconds":"10"}&encType=SM4&orgId=H51010000001&signType=SM2&timestamp=20261121093000&transType=rh.settle&version=1.0.0&key=FFEEDDCCBBAA99887766554433221100',
  /** Upper hex of SM3 over ENTL, user id, curve, base point and public key. */
  za: "B2E14C5C79C6DF5B85F4FE7ED8DB7A262B9DA7E07CCB0EA9F4747B8CCDA8A4F3",
  /** SM3 of ZA and sign text: what the SM2 signature is over. */
  digest: "8D2E5699544C809ED0FE1DA708D75E685232E7D9F550753D35C5514F057459DE",
  /** Upper hex; with signType SM3 this is signData. */
  sm3OfSignText: "7CF76510FD8B56ADFC2B7023843144CE0BC9BCB34102D277BA76C7403EC60F76",
  /** The secret under the first 16 characters of appId. */
  wrappedSecret: "D02A86F9E70C47D809EFCDDF25DC9B6D269D1FFB9D7E0AE618FFDDDABAC10125DAD7048658B36C5800DDA9F48445A429",
  /** ASCII: the first 16 characters of it. */
  dataKey: "D02A86F9E70C47D8",
  /** Of data as it stands in EXAMPLE_REQUEST, compact. */
  encData:
    "BEB2120B358A92AF02ADF2270C6CF82CA3FECCC8724835F98B611368097132C5F9968D592DA66D9D97B363985066A99AD1B1B9332AB1DE2407348326020BA3960F8D0F6B4D3AF864263205DFF4817A9297AFD1A4DC361F1272D1077667B1A38697CF8E9F7ACD6F448BDEA4C8AB379A3F256C208679ABFCE5D85F1739E8DEC7A7C3607A842D6A82DBE572A908AE3315CDAF68AB97ABF35F645CB48150261DD1603D7AB26193BEF2E052C6F4A7CA85E249AA2DCBD0B06143E401843C4B77FCAE2804EC0C2CF7CEB552594E1DDE51B82AC581AC16BE18AD4B5852694410C36CF6556B2AE9836C88A1518C1F552AC9B0CA9A50D8957AFB59869128590E64D2116E09D7D49833FB8562449205E842534CD9E6340CA334D1C374FBCD3ECC0F07385EF4AC32D620562663B6E65859A93EAAEA75",
} as const;
