/** S3 table C.4 (返回值代码), every row with the standard's text. What we emit, and why, is in `errors.ts`. */
export interface ReturnCodeRow {
  /** 使用范围: the whole system, or the e-credential centre. */
  readonly scope: "系统级" | "电子凭证中心";
  readonly text: string;
}

const system = (text: string): ReturnCodeRow => ({ scope: "系统级", text });
const centre = (text: string): ReturnCodeRow => ({ scope: "电子凭证中心", text });

export const RETURN_CODES: ReadonlyMap<string, ReturnCodeRow> = new Map([
  ["0", system("成功")],
  ["-1", system("未知异常")],
  ["-2", system("请求参数异常")],
  ["-3", system("服务端请求超时")],
  ["-4", system("权限校验异常")],
  ["-5", system("无效的请求地址")],
  ["-6", system("触发限流")],
  ["501001", centre("二维码 Token 失效")],
  ["500001", centre("该电子凭证不存在")],
  ["500002", centre("更新电子凭证出现异常")],
  ["500003", centre("该电子凭证应用渠道未授权")],
  ["500004", centre("电子凭证密码错误")],
  ["500005", centre("展码 id 失效或已过期")],
  ["500006", centre("该电子凭证应用渠道授权记录不存在")],
  ["500007", centre("该应用渠道未授权")],
  ["500008", centre("非法授权码")],
  ["500009", centre("该授权记录已存在")],
  ["500010", centre("写入电子凭证应用授权记录失败")],
  ["500011", centre("更新电子凭证应用授权记录失败")],
  ["500012", centre("该应用渠道不存在")],
  ["500013", centre("该应用渠道未通过审核")],
  ["500014", centre("非法经办流水号")],
  ["500015", centre("短信验证码错误")],
  ["500016", centre("同步数据类型错误")],
  ["500017", centre("写入激活表记录失败")],
  ["500018", centre("修改激活表记录失败")],
  ["500019", centre("写入授权信息表记录失败")],
  ["500020", centre("修改授权信息表记录失败")],
  ["500021", centre("未知交易")],
  ["500022", centre("用户未授权或已过期, 请重新进入")],
  ["500023", centre("缓存已过期, 请重新进入")],
  ["500024", centre("需要生成的链接类型为空或不存在")],
  ["500025", centre("未设置应用关联的公众号或小程序信息")],
  ["500026", centre("微信小程序获取实名信息需设置商户信息")],
  ["500027", centre("获取手机号出错")],
  ["500028", centre("获取实名信息出错")],
  ["500029", centre("短信验证码类型为空不存在")],
  ["500030", centre("验证码已过期, 请重新获取")],
  ["500031", centre("页码和页面大小存在空值")],
  ["500032", centre("请求缺少关键性配置")],
  ["500033", centre("请求国家电子凭证出错")],
  ["500034", centre("请求 AccessToken 出错")],
  ["500035", centre("请求 ApiTicket 出错")],
  ["500036", centre("签名出错")],
  ["500037", centre("非法实人认证流水号")],
  ["500038", centre("电子凭证未配置请求移动支付清单地址")],
  ["500039", centre("未配置国家电子凭证后端地址")],
  ["500040", centre("该电子凭证应用渠道授权记录不存在")],
  ["500041", centre("保存电子凭证数据失败")],
  ["500042", centre("电子凭证密码未设置")],
  ["500043", centre("支付宝请求缺少入参, 请检查配置")],
  ["500044", centre("支付宝获取人脸必要参数失败")],
  ["500045", centre("支付宝签名校验失败")],
  ["500046", centre("支付宝数据解密失败")],
  ["500047", centre("请求支付宝提示: 支付宝缺少相关配置")],
  ["500048", centre("获取支付宝用户信息失败")],
  ["500049", centre("电子凭证二维码无效")],
  ["500050", centre("用户身份信息为空, 查询人员基础 Id 失败")],
  ["500051", centre("业务流水已过期, 请重新进行业务办理")],
  ["500052", centre("该应用渠道已审核")],
  ["500053", centre("缺少请求地方服务配置")],
  ["500054", centre("参保地为空")],
  ["500055", centre("写入用码表记录失败")],
  ["500056", centre("解除应用渠道失败")],
  ["500057", centre("接入机构不存在")],
  ["500058", centre("接入机构审核未通过")],
  ["500059", centre("经办流水号对应授权渠道不一致")],
  ["500060", centre("同步激活信息传入数据有误")],
  ["500061", centre("同步授权信息传入数据有误")],
  ["500062", centre("code 不存在或已失效")],
  ["500063", centre("缺少请求国家服务配置")],
]);

/** Ronghe's own codes, for what C.4 has no row for. */
export const EXTENSION_CODES = { first: 600_001, last: 600_099 } as const;

/** Whether a code is one of C.4 or of our extension range. */
export function isReturnCode(code: string): boolean {
  if (RETURN_CODES.has(code)) return true;
  return /^6000[0-9]{2}$/.test(code) && Number(code) >= EXTENSION_CODES.first;
}
