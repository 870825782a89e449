package discover

import (
	"net/netip"
	"strconv"
	"strings"
)

// directive is one statement of an nginx configuration: words that end with a semicolon, or that head a block.
type directive struct {
	words []string
	block []directive
}

// maxDepth bounds blocks within blocks; nginx itself knows four levels or so.
const maxDepth = 20

// prereadPort is the port on which a server of nginx reads the SNI without ending TLS, as far as Envoy beside it reaches
// it on 127.0.0.1; 0 if there is none.
func prereadPort(config string) int {
	words := nginxWords(config)
	for _, stream := range blocksOf(nginxBlock(&words, 0), "stream") {
		inherited := says(stream, "ssl_preread", "on")
		for _, server := range blocksOf(stream, "server") {
			if !says(server, "ssl_preread", "on") && (!inherited || says(server, "ssl_preread", "off")) {
				continue
			}
			for _, d := range server {
				if len(d.words) < 2 || d.words[0] != "listen" {
					continue
				}
				if port := localPort(d.words[1]); port != 0 {
					return port
				}
			}
		}
	}
	return 0
}

// localPort reads the address of a listen directive; 0 if 127.0.0.1 does not reach it.
func localPort(address string) int {
	host, text := "*", address
	if colon := strings.LastIndexByte(address, ':'); colon >= 0 {
		host, text = address[:colon], address[colon+1:]
	}
	ip, err := netip.ParseAddr(host)
	local := host == "*" || host == "localhost" || err == nil && (ip == netip.IPv4Unspecified() || ip == netip.MustParseAddr("127.0.0.1"))
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || !local {
		return 0
	}
	return int(port)
}

// blocksOf gives the contents of all blocks of a name.
func blocksOf(block []directive, name string) [][]directive {
	var all [][]directive
	for _, d := range block {
		if len(d.words) == 1 && d.words[0] == name {
			all = append(all, d.block)
		}
	}
	return all
}

func says(block []directive, name, value string) bool {
	for _, d := range block {
		if len(d.words) == 2 && d.words[0] == name && d.words[1] == value {
			return true
		}
	}
	return false
}

// word is a word of the configuration or, unquoted, one of the marks ; { and }.
type word struct {
	text string
	mark bool
}

// nginxBlock reads directives until the block's end and takes them off words.
func nginxBlock(words *[]word, depth int) []directive {
	var block []directive
	var current []string
	for len(*words) > 0 {
		w := (*words)[0]
		*words = (*words)[1:]
		switch {
		case !w.mark:
			current = append(current, w.text)
		case w.text == "}":
			return block
		default:
			d := directive{words: current}
			if w.text == "{" {
				if depth == maxDepth {
					return block
				}
				d.block = nginxBlock(words, depth+1)
			}
			block, current = append(block, d), nil
		}
	}
	return block
}

// nginxWords takes a configuration apart: words between spaces, quoted or not, with backslashes; a # begins a comment where a
// word could begin.
func nginxWords(config string) []word {
	var words []word
	for i := 0; i < len(config); {
		switch c := config[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
		case '#':
			end := strings.IndexByte(config[i:], '\n')
			if end < 0 {
				return words
			}
			i += end
		case ';', '{', '}':
			words = append(words, word{text: string(c), mark: true})
			i++
		default:
			var text string
			text, i = nginxWord(config, i)
			words = append(words, word{text: text})
		}
	}
	return words
}

// nginxWord reads one word from a place and gives the place behind it.
func nginxWord(config string, i int) (text string, end int) {
	var b strings.Builder
	quote := byte(0)
	if config[i] == '"' || config[i] == '\'' {
		quote = config[i]
		i++
	}
	for ; i < len(config); i++ {
		c := config[i]
		switch {
		case c == '\\' && i+1 < len(config):
			i++
			b.WriteByte(config[i])
			continue
		case quote != 0 && c == quote:
			return b.String(), i + 1
		case quote == 0 && c == '{' && strings.HasSuffix(b.String(), "$"): // ${variable}
		case quote == 0 && strings.IndexByte(" \t\r\n;{", c) >= 0:
			return b.String(), i
		}
		b.WriteByte(c)
	}
	return b.String(), i
}
