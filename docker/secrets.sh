#!/bin/sh
# Make the secrets that XiaoQ's parts share, each once: what exists is kept.
#     docker/secrets.sh [gpu]
# With gpu also the key of the model server and where XiaoQ finds its four units. Your own secrets go
# beside them: a file per setting in secrets/xiaoq, such as secrets/xiaoq/xiaoq_telegram__token.
set -eu
umask 077
folder=${XIAOQ_SECRETS:-$(dirname "$0")/secrets}

random() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

keep() {
  [ -s "$folder/$1" ] || printf '%s\n' "$2" > "$folder/$1"
}

mkdir -p "$folder/xiaoq" "$folder/model"
keep redis_password "$(random)"
keep grafana_password "$(random)"
password=$(cat "$folder/redis_password")
keep redis.acl "user default on >$password ~* &* +@all
user health on nopass -@all +ping"
keep xiaoq/xiaoq_redis__url "redis://:$password@redis:6379/0"
if [ "${1:-}" = gpu ]; then
  keep model/xiaoq_inference__api_key "$(random)"
  key=$(cat "$folder/model/xiaoq_inference__api_key")
  name=${XIAOQ_MODEL:-qwen2.5-7b-instruct-exl2}
  units=
  for port in 8000 8001 8002 8003; do
    units="$units${units:+, }{\"url\": \"http://model:$port/v1\", \"model\": \"$name\", \"api_key\": \"$key\"}"
  done
  keep xiaoq/xiaoq_inference__endpoints "[$units]"
fi
# A container's user reads its files as anybody would; on this machine only who owns the folder can
# go into it.
find "$folder" -type f -exec chmod 444 {} +
chmod 755 "$folder/xiaoq" "$folder/model"
chmod 700 "$folder"
