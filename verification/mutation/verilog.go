package mutation

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Verilog finds the faults that can be planted in a SystemVerilog source: in
// continuous assignments, and in the statements of always blocks. Assertions,
// declarations and everything that is settled at elaboration are left alone.
func Verilog(path, text string) []Fault {
	p := &vparser{path: path, tokens: scanVerilog(text)}
	for p.at < len(p.tokens) {
		switch t := p.next(); t.text {
		case "assign":
			p.assignment("=")
		case "always_ff", "always_comb":
			p.block()
		}
	}
	return p.faults
}

// vtoken is a word, number, string or operator at text[from:to].
type vtoken struct {
	text     string
	from, to int
	line     int
}

var verilogToken = regexp.MustCompile(`(?s)//[^\n]*|/\*.*?\*/|"(?:\\.|[^"])*"|` + "`" + `\w+|\d*'s?[bdhoBDHO][0-9a-fA-F_xzXZ]+|'[01xz]|[A-Za-z_$][\w$]*|\d[\d_]*|` +
	`<<<|>>>|===|!==|[-+]:|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||~\^|\^~|~&|~\||\+=|-=|\|=|&=|\^=|::|.`)

// scanVerilog gives the tokens without comments, spaces and what stands between
// `ifndef SYNTHESIS and `endif.
func scanVerilog(text string) []vtoken {
	var out []vtoken
	line, last, skipping := 1, 0, false
	for _, at := range verilogToken.FindAllStringIndex(text, -1) {
		line += strings.Count(text[last:at[0]], "\n")
		last = at[0]
		s := text[at[0]:at[1]]
		switch {
		case s == "`ifndef":
			skipping = true
		case s == "`endif":
			skipping = false
		case skipping, strings.TrimSpace(s) == "", strings.HasPrefix(s, "//"), strings.HasPrefix(s, "/*"), s[0] == '`':
		default:
			out = append(out, vtoken{s, at[0], at[1], line})
		}
	}
	return out
}

// vparser walks over the statements of a source.
type vparser struct {
	path   string
	tokens []vtoken
	at     int
	faults []Fault
}

func (p *vparser) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at].text
	}
	return ""
}

func (p *vparser) next() vtoken {
	if p.at >= len(p.tokens) {
		return vtoken{}
	}
	p.at++
	return p.tokens[p.at-1]
}

// until takes tokens up to the first of stops that is outside all brackets.
func (p *vparser) until(stops ...string) (taken []vtoken, stop string) {
	depth := 0
	for p.at < len(p.tokens) {
		t := p.next()
		if depth == 0 {
			for _, s := range stops {
				if t.text == s {
					return taken, s
				}
			}
		}
		switch t.text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		}
		taken = append(taken, t)
	}
	return taken, ""
}

// parenthesised takes ( ... ) and gives what is between.
func (p *vparser) parenthesised() []vtoken {
	p.next()
	taken, _ := p.until(")")
	return taken
}

// block takes the statement of an always block.
func (p *vparser) block() {
	if p.peek() == "@" {
		p.next()
		p.parenthesised()
	}
	p.statement()
}

func (p *vparser) statement() {
	switch p.peek() {
	case "begin":
		p.next()
		if p.peek() == ":" {
			p.next()
			p.next()
		}
		for p.peek() != "end" && p.at < len(p.tokens) {
			p.statement()
		}
		p.next()
	case "if":
		p.next()
		p.condition(p.parenthesised())
		p.statement()
		if p.peek() == "else" {
			p.next()
			p.statement()
		}
	case "for":
		p.next()
		p.parenthesised()
		p.statement()
	case "unique", "priority", "case", "casez":
		p.cases()
	case "automatic", "logic", "int", "localparam", "assert", "$error":
		p.until(";")
	case ";":
		p.next()
	default:
		p.assignment("<=", "=", "+=", "|=", "&=", "^=", "-=")
	}
}

func (p *vparser) cases() {
	if w := p.next().text; w == "unique" || w == "priority" {
		p.next()
	}
	p.parenthesised()
	for p.peek() != "endcase" && p.at < len(p.tokens) {
		p.until(":")
		p.statement()
	}
	p.next()
}

// assignment takes lvalue op expression ;
func (p *vparser) assignment(ops ...string) {
	left, op := p.until(append(ops, ";")...)
	if op == ";" || op == "" {
		return
	}
	right, _ := p.until(";")
	if len(left) == 0 || len(right) == 0 || left[0].text == "unused" {
		return
	}
	if op == "<=" && left[0].text != "{" {
		p.add(right, "the register keeps its value", -1, p.source(left))
	}
	p.operators(right)
}

// condition finds faults in the condition of an if.
func (p *vparser) condition(c []vtoken) {
	if len(c) == 0 {
		return
	}
	p.add(c, "the condition is inverted", -1, "!("+p.source(c)+")")
	if len(c) == 1 && c[0].text == "rst_i" {
		p.add(c, "the reset is dropped", -1, "1'b0")
		return
	}
	p.operators(c)
}

// swaps are the operators and what stands in their place.
var swaps = map[string]string{
	"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "&&": "||", "||": "&&",
	"+": "-", "-": "+", "&": "|", "|": "&", "<<": ">>", ">>": "<<", "^": "|",
}

// operators finds faults within an expression, outside the brackets of selects.
func (p *vparser) operators(e []vtoken) {
	depth, size := 0, 0 // size: up to here the expression is the size of a cast
	for i, t := range e {
		switch t.text {
		case "[":
			depth++
		case "]":
			depth--
		case "(":
			if end := closing(e, i); end+1 < len(e) && e[end+1].text == "'" {
				size = max(size, end)
			}
		}
		if depth > 0 || i < size {
			continue
		}
		if with, ok := swaps[t.text]; ok && i > 0 && binary(e[i-1].text) {
			p.add(e, fmt.Sprintf("%s becomes %s", t.text, with), i, with)
		}
		if (t.text == "!" || t.text == "~") && i+1 < len(e) {
			p.add(e, t.text+" is dropped", i, "")
		}
		if with := another(t.text); with != "" && (i+1 == len(e) || e[i+1].text != "(") {
			p.add(e, fmt.Sprintf("%s becomes %s", t.text, with), i, with)
		}
	}
}

// closing is the index of the parenthesis that closes e[i].
func closing(e []vtoken, i int) int {
	depth := 0
	for ; i < len(e); i++ {
		switch e[i].text {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return i
}

// binary says whether an operator after this token has a left operand.
func binary(before string) bool {
	c := before[len(before)-1]
	return c == ')' || c == ']' || c == '}' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

var sized = regexp.MustCompile(`^(\d+)'d(\d+)$`)

// another is a different constant of the same size, "" if t is none.
func another(t string) string {
	switch t {
	case "1'b0":
		return "1'b1"
	case "1'b1":
		return "1'b0"
	case "'0":
		return "'1"
	}
	m := sized.FindStringSubmatch(t)
	if m == nil {
		return ""
	}
	width, _ := strconv.Atoi(m[1])
	v, _ := strconv.ParseUint(m[2], 10, 64)
	return fmt.Sprintf("%d'd%d", width, (v+1)&(1<<width-1))
}

// source writes tokens with single spaces.
func (p *vparser) source(e []vtoken) string {
	words := make([]string, len(e))
	for i, t := range e {
		words[i] = t.text
	}
	return strings.Join(words, " ")
}

// add records a fault of the expression e: token i becomes with, or if i is
// negative the whole expression does.
func (p *vparser) add(e []vtoken, what string, i int, with string) {
	text := with
	line := e[0].line
	if i >= 0 {
		m := append([]vtoken(nil), e...)
		line, m[i].text = e[i].line, with
		text = p.source(m)
	}
	p.faults = append(p.faults, Fault{
		File: p.path, Line: line, What: what,
		From: e[0].from, To: e[len(e)-1].to, Was: p.source(e), Text: text,
	})
}
