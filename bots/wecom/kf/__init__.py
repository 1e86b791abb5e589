"""微信客服 (kf): the company's customers, who write from WeChat."""
