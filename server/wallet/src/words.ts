/** The wallet's words in English and Chinese. What authorities write (reasons, citations) is shown as they wrote it. */

const en = {
  title: "Waypass wallet",
  language: "Language",
  loading: "Opening the wallet…",
  // Enrolment
  enrolHeading: "Set up your wallet",
  enrolText: "At the service desk you get a code with eight characters. It works once, for ten minutes.",
  code: "Code from the desk",
  codeHint: "For example K7QM-4TZP. Upper or lower case, with or without the hyphen.",
  enrolButton: "Set up",
  enrolling: "Setting up…",
  codeForm: "A code has eight letters and digits. Please look at it again.",
  codeWrong: "This code does not work: it was mistyped, used already, or is older than ten minutes. The desk gives you a new one.",
  tooMany: "Too many attempts. Please wait ten minutes.",
  noNetwork: "There is no connection to the server. Please try again.",
  refused: "The server refused this:",
  ended: "This wallet has ended, because another one was set up for you. If that was not you, please tell the desk.",
  insecure: "This page needs a secure connection (https) to keep keys. Please open it at its https address.",
  noStorage: "This browser keeps nothing for this page, perhaps because the window is a private one. The wallet needs a place for its keys.",
  // The code
  service: "Service",
  green: "Green",
  yellow: "Yellow",
  red: "Red",
  greenText: "The gate opens for you.",
  yellowText: "Staff will help you at the gate.",
  redText: "The gate does not open for you. Below you see why, and how to object.",
  codeLabel: "Your code for the gate. It is renewed every ten seconds.",
  codeHelp: "Hold this code to the gate's reader.",
  noPass: "There is no pass on this phone at the moment.",
  noPassOnline: "New passes are being fetched.",
  noPassOffline: "New passes need a connection to the network.",
  noPassScope: "No service is open to you at the moment.",
  left: (count: number, time: string) => `${count === 1 ? "1 pass" : `${count} passes`} left, valid until ${time}`,
  online: "Connected",
  offline: "No connection. Your codes are made on this phone and go on working.",
  checked: (time: string) => `Last checked ${time}`,
  // Why
  why: "Why",
  whyNothing: "Nothing stands against you for this service.",
  announced: "Announced",
  announcedLink: "Something was announced about you. Read it below.",
  announcedText: (time: string) => `Not in effect yet. It takes effect on ${time} at the earliest.`,
  suspended: "Suspended until your objection is decided.",
  reason: "Reason",
  basis: "Basis",
  citation: "Citation",
  authority: "Authority",
  contact: "Contact",
  source: "Source",
  from: "From",
  until: "Until",
  services: "Services",
  notGranted: "Only with a grant, which you do not have:",
  kinds: {
    entry: "Entry",
    grant: "Grant",
    fact: "Notice of exposure or survey answer",
    evidence: "Health certificate",
    "no-evidence": "Health certificate missing",
    exemption: "Exemption",
    rule: "Rule",
  } as Record<string, string>,
  noEvidence: "This service asks for a health certificate. None is in force for you.",
  // Objection
  object: "Object to this entry",
  objectText: "Say in your own words why this is wrong. A reviewer who had no part in it decides.",
  objectLabel: "Your objection",
  objectEmpty: "Please write why you object.",
  send: "Send",
  sending: "Sending…",
  objected: "You objected",
  objectionSent: "Your objection has been sent.",
  decideBy: (time: string) => `To be decided by ${time}.`,
  objectionStates: {
    open: "Being decided",
    upheld: "The entry stands",
    lifted: "The entry was lifted",
    lapsed: "Not decided in time, so the entry lapsed",
    moot: "The entry ended before",
  } as Record<string, string>,
  answer: "Answer",
  // Certificate
  certificate: "Hand in a health certificate",
  certificateLabel: "Text of the certificate's code (begins with HC1:)",
  certificateBad: "This certificate was not accepted:",
  certificateGood: "The certificate has been accepted.",
  // Questions of rules
  surveys: "Questions to you",
  surveysLink: "There are questions to you. Read them below.",
  surveyAnswer: "Answer the questions",
  surveyAgain: "Answer them anew",
  surveyOpen: (days: number) => `Your answers count for ${days === 1 ? "1 day" : `${days} days`}. What follows from them is shown above, under "Why".`,
  surveyAnswered: (time: string) => `You have answered. Your answers count until ${time}.`,
  surveyAtDesk: "Your answers were given at a desk. Please have them changed there.",
  surveyGone: "These questions are no longer asked.",
  yes: "Yes",
  no: "No",
  between: (least: number, most: number) => `A whole number from ${least} to ${most}.`,
  answerMissing: "Please choose an answer.",
  dateMissing: "Please choose a day.",
  // Notices
  log: "Public log",
  logText: "Every change that concerns you is in a public log from which nothing can be taken back. Here you get your records with their proofs; anybody can check the file with the log's key, without asking us. It is about you: give it to nobody who need not know.",
  logMake: "Get my records and their proofs",
  logButton: "Prepare the file",
  logReady: "The file is ready: save it",
  logNotYet: "Nothing about you is in a signed state of the log yet. Please try again in a minute.",
  notices: "Notices",
  noNotices: "You have had no notice.",
  noticeKinds: {
    entry: "An entry about you was announced",
    "entry-ended": "An entry about you has ended",
    "objection-decided": "Your objection was decided",
    fact: "Something was recorded about you",
    withdrawal: "Your passes were withdrawn; new ones are fetched by themselves",
  } as Record<string, string>,
  // Paper
  paper: "A pass on paper",
  paperMake: "Make a paper pass for this service",
  paperText: "For a day without this phone. It has no name on it: a gate that compares paper with a document asks staff. A paper pass with your name on it is made at the desk.",
  paperOnce: "A paper pass that you have already, also one from the desk, stops working.",
  paperButton: "Make the page",
  paperReady: "Save the page to print (PDF)",
  // Removal
  thisPhone: "This phone",
  remove: "Remove the wallet from this phone",
  removeText: "All passes and keys on this phone are deleted. For a new wallet you need a new code from the desk.",
  removeYes: "Yes, remove it",
  removeNo: "Keep it",
};

export type Words = typeof en;

const zh: Words = {
  title: "Waypass 通行夹",
  language: "语言",
  loading: "正在打开通行夹……",
  enrolHeading: "设置您的通行夹",
  enrolText: "服务台会给您一个八位代码。代码十分钟内有效，只能使用一次。",
  code: "服务台代码",
  codeHint: "例如 K7QM-4TZP。大小写均可，连字符可省略。",
  enrolButton: "设置",
  enrolling: "正在设置……",
  codeForm: "代码由八位字母和数字组成，请再核对一次。",
  codeWrong: "此代码无效：可能输入有误、已被使用，或已超过十分钟。请向服务台索取新代码。",
  tooMany: "尝试次数过多，请等待十分钟。",
  noNetwork: "无法连接服务器，请重试。",
  refused: "服务器拒绝了此请求：",
  ended: "此通行夹已停用，因为已为您设置了另一个。如果不是您本人操作，请告知服务台。",
  insecure: "本页面需要安全连接（https）才能保存密钥，请使用 https 地址打开。",
  noStorage: "此浏览器不为本页面保存数据（可能是无痕窗口）。通行夹需要保存密钥的地方。",
  service: "服务",
  green: "绿色",
  yellow: "黄色",
  red: "红色",
  greenText: "闸机会为您打开。",
  yellowText: "工作人员会在闸机处协助您。",
  redText: "闸机不会为您打开。原因和提出异议的方式见下方。",
  codeLabel: "您的闸机二维码，每十秒更新一次。",
  codeHelp: "请将二维码对准闸机读码器。",
  noPass: "本机目前没有通行证。",
  noPassOnline: "正在获取新的通行证。",
  noPassOffline: "获取新的通行证需要网络连接。",
  noPassScope: "目前没有向您开放的服务。",
  left: (count, time) => `剩余 ${count} 张通行证，有效期至 ${time}`,
  online: "已连接",
  offline: "无网络连接。二维码在本机生成，可继续使用。",
  checked: (time) => `上次核对：${time}`,
  why: "原因",
  whyNothing: "此服务没有对您不利的记录。",
  announced: "已通知",
  announcedLink: "有一项关于您的通知，请阅读下方内容。",
  announcedText: (time) => `尚未生效，最早于 ${time} 生效。`,
  suspended: "在您的异议作出决定之前暂停执行。",
  reason: "理由",
  basis: "依据",
  citation: "条文",
  authority: "机关",
  contact: "联系方式",
  source: "来源",
  from: "开始",
  until: "结束",
  services: "服务",
  notGranted: "仅限获得许可者，您尚未获得：",
  kinds: {
    entry: "名单条目",
    grant: "许可",
    fact: "接触通知或问卷答复",
    evidence: "健康证书",
    "no-evidence": "缺少健康证书",
    exemption: "豁免",
    rule: "规则",
  },
  noEvidence: "此服务需要健康证书，您目前没有有效的证书。",
  object: "对此条目提出异议",
  objectText: "请用自己的话说明为何有误。由未参与此事的审查人员作出决定。",
  objectLabel: "您的异议",
  objectEmpty: "请写明异议理由。",
  send: "发送",
  sending: "正在发送……",
  objected: "您已提出异议",
  objectionSent: "您的异议已发送。",
  decideBy: (time) => `将于 ${time} 前作出决定。`,
  objectionStates: {
    open: "审理中",
    upheld: "维持条目",
    lifted: "条目已撤销",
    lapsed: "未按时决定，条目失效",
    moot: "条目已先行结束",
  },
  answer: "答复",
  certificate: "提交健康证书",
  certificateLabel: "证书二维码的文本（以 HC1: 开头）",
  certificateBad: "此证书未被接受：",
  certificateGood: "证书已被接受。",
  surveys: "向您提出的问题",
  surveysLink: "有问题需要您回答，请阅读下方内容。",
  surveyAnswer: "回答问题",
  surveyAgain: "重新回答",
  surveyOpen: (days) => `您的答复在 ${days} 天内有效。由此产生的结果显示在上方的“原因”中。`,
  surveyAnswered: (time) => `您已回答。答复有效至 ${time}。`,
  surveyAtDesk: "您的答复是在服务台填写的，请在服务台更改。",
  surveyGone: "这些问题已不再询问。",
  yes: "是",
  no: "否",
  between: (least, most) => `${least} 至 ${most} 之间的整数。`,
  answerMissing: "请选择一个答案。",
  dateMissing: "请选择日期。",
  log: "公开日志",
  logText: "与您有关的每次更改都在公开日志中,其中的内容无法收回。您可在此取得自己的记录及其证明;任何人都能用日志的密钥核对该文件,无需询问我们。文件与您有关:请勿交给无关的人。",
  logMake: "获取我的记录及其证明",
  logButton: "准备文件",
  logReady: "文件已就绪:保存",
  logNotYet: "日志已签名的状态中还没有与您有关的内容。请一分钟后再试。",
  notices: "通知",
  noNotices: "您没有收到通知。",
  noticeKinds: {
    entry: "已通知一项关于您的条目",
    "entry-ended": "一项关于您的条目已结束",
    "objection-decided": "您的异议已有决定",
    fact: "有一项关于您的记录",
    withdrawal: "您的通行证已被撤回，新的会自动获取",
  },
  paper: "纸质通行证",
  paperMake: "为此服务制作纸质通行证",
  paperText: "供不带手机的日子使用。上面没有姓名：需核对证件的闸机会请工作人员处理。带姓名的纸质通行证由服务台制作。",
  paperOnce: "您已有的纸质通行证（包括服务台制作的）将失效。",
  paperButton: "制作页面",
  paperReady: "保存打印页面（PDF）",
  thisPhone: "本机",
  remove: "从本机移除通行夹",
  removeText: "本机上的所有通行证和密钥都会被删除。要设置新的通行夹，需要服务台的新代码。",
  removeYes: "是，移除",
  removeNo: "保留",
};

export const LANGUAGES = { en: "English", zh: "中文" } as const;
export type Language = keyof typeof LANGUAGES;

const CATALOGUE: Record<Language, Words> = { en, zh };
const TAGS: Record<Language, string> = { en: "en", zh: "zh-Hans" };
const KEPT = "waypass-language";

/** The language that was chosen here before, or the browser's. */
export function firstLanguage(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === "en" || kept === "zh") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function keepLanguage(language: Language): void {
  localStorage.setItem(KEPT, language);
}

/** One language's words, and its way to write times. */
export interface Speech extends Words {
  tag: string;
  /** Day and time of UNIX seconds. */
  when: (seconds: number) => string;
  /** A text of the server that is in both languages. */
  of: (both: Record<Language, string>) => string;
}

export function speech(language: Language): Speech {
  // As it is written where the holder lives, if that is known.
  const place = navigator.languages.find((one) => one.startsWith(language)) ?? TAGS[language];
  const day = new Intl.DateTimeFormat(place, { dateStyle: "medium", timeStyle: "short" });
  return {
    ...CATALOGUE[language],
    tag: TAGS[language],
    when: (seconds) => day.format(seconds * 1000),
    of: (both) => both[language],
  };
}
