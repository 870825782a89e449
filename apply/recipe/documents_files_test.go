package recipe_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// nginx reads a configuration as its directives, each with the blocks that it is in. What the document sends through a shell has
// the shell's backslashes.
func (i *installed) nginx(t *testing.T, conf string) {
	t.Helper()
	var within, words []string
	for _, token := range nginxTokens(strings.ReplaceAll(conf, `\$`, "$")) {
		switch token {
		case "{":
			within, words = append(within, strings.Join(words, " ")), nil
		case "}":
			if len(within) == 0 || len(words) > 0 {
				t.Fatalf("nginx.conf ends a block that is not open, or within %q", words)
			}
			within = within[:len(within)-1]
		case ";":
			i.say("nginx %s: %s", strings.Join(append([]string{"main"}, within...), "/"), strings.Join(words, " "))
			words = nil
		default:
			words = append(words, token)
		}
	}
	if len(within) > 0 || len(words) > 0 {
		t.Fatalf("nginx.conf ends within %q %q", within, words)
	}
}

// nginxTokens splits into words, quoted words without their quotes, and the marks { } ;. Comments are left out.
func nginxTokens(conf string) []string {
	var tokens []string
	for i := 0; i < len(conf); {
		switch c := conf[i]; {
		case strings.ContainsRune(" \t\r\n", rune(c)):
			i++
		case c == '#':
			for i < len(conf) && conf[i] != '\n' {
				i++
			}
		case strings.ContainsRune("{};", rune(c)):
			tokens = append(tokens, string(c))
			i++
		case c == '\'' || c == '"':
			end := strings.IndexByte(conf[i+1:], c)
			if end < 0 {
				return append(tokens, "unended quote")
			}
			tokens = append(tokens, conf[i+1:i+1+end])
			i += end + 2
		default:
			end := strings.IndexAny(conf[i:], " \t\r\n{};")
			if end < 0 {
				end = len(conf) - i
			}
			tokens = append(tokens, conf[i:i+end])
			i += end
		}
	}
	return tokens
}

// request reads the openssl configuration of a server's certificate.
func (i *installed) request(conf string) {
	section := ""
	for line := range strings.Lines(conf) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, ok := strings.Cut(line, " = ")
		if !ok || section != "v3_req" && section != "alt_names" {
			continue
		}
		for word := range strings.SplitSeq(strings.TrimPrefix(value, "critical, "), ", ") {
			if word != "@alt_names" {
				i.say("certificate: %s %s", key, word)
			}
		}
	}
}

// certificate tells a server's certificate in the same words.
func (i *installed) certificate(t *testing.T, secret *unstructured.Unstructured) {
	t.Helper()
	encoded, _, _ := unstructured.NestedString(secret.Object, "data", "tls.crt")
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no certificate in Secret %s", secret.GetName())
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range cert.DNSNames {
		i.say("certificate: DNS %s", name)
	}
	if !cert.IsCA {
		i.say("certificate: basicConstraints CA:FALSE")
	}
	for usage, word := range map[x509.KeyUsage]string{x509.KeyUsageDigitalSignature: "digitalSignature", x509.KeyUsageKeyEncipherment: "keyEncipherment"} {
		if cert.KeyUsage&usage != 0 {
			i.say("certificate: keyUsage %s", word)
		}
	}
	for _, usage := range cert.ExtKeyUsage {
		switch usage {
		case x509.ExtKeyUsageServerAuth:
			i.say("certificate: extendedKeyUsage serverAuth")
		case x509.ExtKeyUsageClientAuth:
			i.say("certificate: extendedKeyUsage clientAuth")
		}
	}
}
